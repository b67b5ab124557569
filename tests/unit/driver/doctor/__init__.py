"""Tests of driver.doctor."""
