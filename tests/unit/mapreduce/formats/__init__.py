"""Tests of `mapreduce.formats`."""
