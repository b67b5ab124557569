"""Tests of driver.plan."""
