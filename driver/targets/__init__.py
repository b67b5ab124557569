"""The targets of a run, one file for each, and where everything is wired together."""
