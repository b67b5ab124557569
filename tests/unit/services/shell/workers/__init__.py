"""Tests of services.shell.workers."""
