"""Tests of driver.targets.prepare."""
