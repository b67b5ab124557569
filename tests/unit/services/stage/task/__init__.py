"""Tests of services.stage.task."""
