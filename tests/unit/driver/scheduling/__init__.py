"""Tests of driver.scheduling."""
