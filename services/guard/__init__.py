"""The idle guard: stops the fleet when no run uses it.

It runs in a container of its own, without a job's code: it may change the numbers of tasks, and
they may not.
"""
