"""Tests of services.stage."""
