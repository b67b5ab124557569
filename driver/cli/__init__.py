"""The command line: parses, prints, and maps each error to its exit code. Every print of the driver is here.

Exit codes: 0 done, 1 the job failed, 2 wrong use, 3 the fleet cannot be reached, 130 interrupted. Nothing is imported
here: the first modules of a command must be light.
"""
