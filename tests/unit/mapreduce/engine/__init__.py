"""Tests of `mapreduce.engine`."""
