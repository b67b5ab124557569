"""Tests of `mapreduce.storage` that need no store."""
