"""Tests of driver.run."""
