"""Tests of driver.authoring."""
