"""Tests of `mapreduce`: the meaning of a job, and the work of one task."""
