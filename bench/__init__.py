"""Measured comparisons, and the inputs for them."""
