"""A job's own code: what its class may be, what it may yield, and how it is called."""
