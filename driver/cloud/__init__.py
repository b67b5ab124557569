"""What exists in AWS: the stack, its services, logs, deployment, and what is left of it."""
