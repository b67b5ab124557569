"""The other systems."""
