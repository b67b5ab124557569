"""Tests of driver.history."""
