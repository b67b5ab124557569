"""Tests of driver.cloud."""
