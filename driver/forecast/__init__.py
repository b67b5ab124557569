"""What a run costs, before and after it."""
