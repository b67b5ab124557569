"""Who does what next: finds the services, schedules the tasks of a run, and proves that the answer
is whole.
"""
