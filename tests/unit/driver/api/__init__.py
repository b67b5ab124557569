"""Tests of `driver.api`."""
