"""Copies of a result in files that the user names."""
