"""Tests of mapreduce.aggregations."""
