"""Tests of driver/packages."""
