"""Documentation, and what writes it."""
