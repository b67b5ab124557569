"""Requests and connections: who is let in, what they may send, and how long they may take."""
