"""Each ready-made job against an answer that is written the plain way, without the job's own code."""
