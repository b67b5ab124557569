"""Tests of the map over columns."""
