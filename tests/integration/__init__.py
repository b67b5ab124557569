"""Real services on loopback, and the real command line."""
