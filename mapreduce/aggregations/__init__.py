"""Aggregations beyond those of `mapreduce.aggregate`, one kind a module."""
