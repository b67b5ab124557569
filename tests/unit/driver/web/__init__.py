"""Tests of `driver.web`."""
