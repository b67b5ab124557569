"""Tools for a job's author: a template, and a sample for `check`."""
