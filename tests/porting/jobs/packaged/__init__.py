"""A job in a package of several modules."""
