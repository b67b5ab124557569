"""The album service."""
