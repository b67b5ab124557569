"""Tests of the benchmarks' decisions: medians, ratios, resuming, the page."""
