"""Unit tests of the pure half."""
