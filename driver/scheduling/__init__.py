"""One stage: which attempt of which task goes to which endpoint, and when."""
