"""Restarts a process that runs a job's code with the hash seed that all such processes share.

Python draws the seed when it starts, so a process without it must restart. This module imports
nothing slow.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

VARIABLE = "PYTHONHASHSEED"
SHARED = "0"
"""The value of `mapreduce.wire.build.HASH_SEED`, which is too slow to import here; a test compares
them."""
_DEBUGGERS = ("debugpy", "pydevd", "bdb", "coverage")
"""Modules that a restart would lose, with what their user has set up."""


def start_over_if_needed(arguments: Sequence[str]) -> None:
    """Restart this program with the shared seed, if it will run a job's code in this process."""
    traced = sys.gettrace() is not None
    if needs_seed(arguments, os.environ, sys.modules, traced=traced):
        os.environ[VARIABLE] = SHARED
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def needs_seed(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    modules: Collection[str],
    *,
    traced: bool,
) -> bool:
    """Return whether a command must be restarted.

    Args:
        arguments: of the program.
        environment: of the process; a seed that the user has set is kept.
        modules: the names of the loaded modules.
        traced: a debugger or a profiler traces this process.
    """
    if VARIABLE in environment or traced or any(name in modules for name in _DEBUGGERS):
        return False
    inline = any(
        option == "--target=inline" or (option == "--target" and following == "inline")
        for option, following in pairwise([*arguments, ""])
    )
    return bool(arguments) and arguments[0] == "run" and inline
