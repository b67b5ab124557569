"""One proof for each system: `python -m tests.e2e --system NAME`."""
