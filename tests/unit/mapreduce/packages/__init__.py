"""Tests of mapreduce/packages."""
