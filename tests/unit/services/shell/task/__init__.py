"""Tests of services.shell.task."""
