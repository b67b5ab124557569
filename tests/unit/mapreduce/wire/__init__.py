"""Tests of mapreduce.wire."""
