"""Tests of `mapreduce`: what a job means and what one task does."""
