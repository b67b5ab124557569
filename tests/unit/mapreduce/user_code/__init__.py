"""Tests of mapreduce.user_code."""
