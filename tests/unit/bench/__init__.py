"""Tests of what the benchmarks decide: medians, ratios, resuming, the page."""
