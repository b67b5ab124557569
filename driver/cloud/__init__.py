"""The deployed stack in AWS: its outputs, services, logs, deployment, and leftovers."""
