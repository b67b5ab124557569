"""Tests of mapreduce.system."""
