"""Unit tests: one file for each file of source."""
