"""Tests of driver.report."""
