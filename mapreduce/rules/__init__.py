"""What a job's class may be, and what it may yield."""
