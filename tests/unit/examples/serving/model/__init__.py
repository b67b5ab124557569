"""Tests of a model server."""
