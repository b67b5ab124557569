"""A job's code: which classes are accepted, what they may yield, and how they are called."""
