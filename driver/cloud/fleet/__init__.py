"""The numbers of tasks: what a run starts, who uses it, and what is stopped again."""
