"""Unit tests of the protocol."""
