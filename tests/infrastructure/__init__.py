"""Checks of what is deployed, without a deployment."""
