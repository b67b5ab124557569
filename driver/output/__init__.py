"""Copies of a result in the places that the user names."""
