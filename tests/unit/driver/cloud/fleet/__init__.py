"""Tests of the numbers of tasks."""
