"""Tests of `run` in a real Jupyter kernel: `make notebook`."""
