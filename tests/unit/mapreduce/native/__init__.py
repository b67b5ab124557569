"""Tests of `mapreduce.native`."""
