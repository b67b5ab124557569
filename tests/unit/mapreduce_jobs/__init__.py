"""Tests of mapreduce_jobs."""
