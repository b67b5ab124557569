"""Gives a process that runs a job's code the hash seed that all such processes share.

Python draws the seed when it starts, so a process that began without one starts over with it. Nothing heavy may be
imported here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

VARIABLE = "PYTHONHASHSEED"
SHARED = "0"
"""The value of `mapreduce.wire.build.HASH_SEED`, which is too slow to import here; a test compares them."""
_DEBUGGERS = ("debugpy", "pydevd", "bdb", "coverage")
"""Modules that are lost when a process starts over, and with them what their user has set up."""


def start_over_if_needed(arguments: Sequence[str]) -> None:
    """Start this program over with the shared seed, if this command runs a job's code in this very process."""
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
    """Return whether a command must be started over.

    Args:
        arguments: of the program.
        environment: of the process; a seed that the user has set is kept.
        modules: those that are loaded.
        traced: something follows each line of this process.
    """
    if VARIABLE in environment or traced or any(name in modules for name in _DEBUGGERS):
        return False
    inline = any(
        option == "--target=inline" or (option == "--target" and following == "inline")
        for option, following in pairwise([*arguments, ""])
    )
    return bool(arguments) and arguments[0] == "run" and inline
