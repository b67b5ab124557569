"""Tests of services.shell."""
