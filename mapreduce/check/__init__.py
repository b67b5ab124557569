"""Is a job right? The reference run, the laws, a trial in this process, helpers for tests."""
