"""Tests of services.shell.http."""
