"""Tests of the examples, with real processes."""
