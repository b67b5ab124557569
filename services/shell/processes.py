"""Small truths about processes that both the nursery and the local fleet need."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Collection

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def close_other_files(keep: Collection[int]) -> None:
    """Closes every open file but standard input, output, error and those to keep.

    A fork copies all of them, and a pipe says "the other side is gone" only when every copy is closed.
    """
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - names, on Linux and macOS
        number = int(name)
        if number > 2 and number not in keep:
            try:
                os.close(number)
            except OSError:
                continue


def die_with_parent() -> None:
    """Asks the kernel to kill this process when its parent dies (Linux; elsewhere the pipes alone tell)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Makes the children of dead children ours, so that they can be waited for (Linux; elsewhere they are init's)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def cause_of_death(status: int) -> str:
    """What a child's wait status says, in words."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name
        hint = {
            signal.SIGKILL: "most likely out of memory: give the service more, or make the splits smaller",
            signal.SIGSEGV: "a crash in native code",
            signal.SIGABRT: "a crash in native code",
        }.get(signal.Signals(number), "")
        return f"was killed by {name}" + (f" ({hint})" if hint else "")
    return f"ended by itself with exit code {os.WEXITSTATUS(status)}"
