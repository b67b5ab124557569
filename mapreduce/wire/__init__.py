"""What goes between driver, services and store: messages, object keys, tokens, the build."""
