"""The parts that the three services of MapReduce share: the task path, and the workers of a task.

Knows no stage by name.
"""
