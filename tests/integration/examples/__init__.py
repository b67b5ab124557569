"""The other systems, as real processes."""
