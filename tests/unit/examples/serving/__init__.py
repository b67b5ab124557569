"""Tests of model serving."""
