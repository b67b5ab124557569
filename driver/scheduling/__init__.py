"""The scheduling of one stage: which attempt of which task goes to which endpoint, and when."""
