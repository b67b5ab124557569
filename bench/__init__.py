"""Measured comparisons, and the texts that they are made on."""
