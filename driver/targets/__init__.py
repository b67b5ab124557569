"""Where a run is carried out, one file for each place, and where everything is wired together."""
