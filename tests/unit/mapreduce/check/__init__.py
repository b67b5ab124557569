"""Tests of mapreduce.check."""
