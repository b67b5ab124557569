"""Model serving: one model on several containers of several machines, behind a router."""
