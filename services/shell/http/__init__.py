"""Requests and connections: which are accepted, what they may send, and how long they may take."""
