"""What make e2e decides, without Docker."""
