"""The fault suites of the example systems: `python -m tests.faults --system NAME --rounds N`."""
