"""The parts that every service shares: settings, HTTP, logs, metrics, start, drain, supervision.

Knows no stage, no job and no engine: the services of MapReduce and of the examples use it alike.
"""
