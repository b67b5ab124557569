"""Tests of mapreduce/code."""
