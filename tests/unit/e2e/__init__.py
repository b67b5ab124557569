"""Tests of the decisions of `make e2e`, without Docker."""
