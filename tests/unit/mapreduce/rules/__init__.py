"""Tests of mapreduce.rules."""
