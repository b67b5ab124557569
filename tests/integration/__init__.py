"""Real services on loopback, driven by the real command line."""
