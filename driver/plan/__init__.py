"""The plan of a run: inputs, splits, tasks, configuration; and the run's events."""
