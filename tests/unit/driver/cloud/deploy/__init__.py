"""Tests of what a deployment makes and needs."""
