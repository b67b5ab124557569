"""The words with which a user starts this program: all printed usage lines and next steps have
them.
"""

from __future__ import annotations

import sys
from pathlib import Path

AS_COMMAND = "mapreduce"
AS_MODULE = "python -m driver"


def command_name(started: str, python: str) -> str:
    """Return the words that start this program again.

    Args:
        started: the path of the program, `sys.argv[0]`: of the console command, of the package's
            `__main__.py`, or of a program that imports this package.
        python: the path of the interpreter; the console command of an environment lies beside it.
    """
    name = Path(started).name
    if name == AS_COMMAND:
        return AS_COMMAND
    if name == "__main__.py" or not python:
        return AS_MODULE
    return AS_COMMAND if Path(python).with_name(AS_COMMAND).is_file() else AS_MODULE


COMMAND = command_name(sys.argv[0] if sys.argv else "", sys.executable)
