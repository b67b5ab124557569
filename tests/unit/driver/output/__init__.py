"""Tests of driver.output.place."""
