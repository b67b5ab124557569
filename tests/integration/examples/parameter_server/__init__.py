"""Runs of the parameter server, with real processes on loopback."""
