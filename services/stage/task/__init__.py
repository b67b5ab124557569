"""The task's side: the process in which a job's code runs, and its template."""
