"""Tests of `driver.api.live`."""
