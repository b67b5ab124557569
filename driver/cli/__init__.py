"""The command line: parses, prints, and maps each error to its exit code.

All printing of the driver is here. Exit codes: 0 done, 1 the job failed, 2 wrong use, 3 the fleet
cannot be reached, 130 interrupted. This module imports nothing, so that the first modules of a
command stay light.
"""
