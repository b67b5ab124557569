"""The router: decides which container answers a request, and carries it there."""
