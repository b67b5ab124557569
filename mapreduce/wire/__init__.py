"""What passes between driver, services and store: messages, object keys, tokens, the build."""
