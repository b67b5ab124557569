"""Check a job: the reference run, the laws, a trial run in this process."""
