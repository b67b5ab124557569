"""Tests of driver.transport.base."""
