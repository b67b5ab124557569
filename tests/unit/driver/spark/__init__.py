"""Tests of driver.spark."""
