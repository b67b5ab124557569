"""The album service, as real processes."""
