"""Tests of services.stage.workers."""
