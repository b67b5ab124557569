"""Run a job on the beginnings of some splits, to know what its tasks take."""
