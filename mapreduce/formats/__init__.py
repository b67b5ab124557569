"""Formats: from the bytes of a split to records, and from pairs to a written result."""
