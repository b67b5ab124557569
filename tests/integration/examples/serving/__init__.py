"""Tests of model serving, with real processes."""
