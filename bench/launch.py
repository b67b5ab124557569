"""Runs one command and says what it took: `python -m bench.launch PARENT REPORT COMMAND...`.

A process of its own for each measurement, so that the processor time of all that the command has started is counted,
also of what outlives its parent, as Spark's Java machine does: on Linux orphans become this process's children, and
it waits for them. Wall time ends when the command itself does. When this process is told to end, or on Linux when the
one that measures is gone, however it ended, it ends all that it has started.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ORPHANS_LIMIT_S = 30
"""What still runs so long after its parent is ended."""
SET_PARENT_DEATH_SIGNAL, SET_CHILD_SUBREAPER = 1, 36
ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Ended(BaseException):
    """This process was told to end, or its parent is gone."""


def adopt_orphans() -> None:
    """Makes whoever loses its parent a child of this process (prctl(2)); elsewhere than on Linux nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(SET_CHILD_SUBREAPER, 1)


def heed_endings(parent: int) -> None:
    """Raises `Ended` when this process is told to end, or when its parent is gone, which may have been so before."""

    def end(number: int, frame: object) -> None:
        for each in ENDINGS:
            signal.signal(each, signal.SIG_IGN)
        raise Ended

    for each in ENDINGS:
        if (
            signal.getsignal(each) is not signal.SIG_IGN
        ):  # as under nohup: whoever measures goes on, and so does this
            signal.signal(each, end)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(SET_PARENT_DEATH_SIGNAL, int(signal.SIGTERM))
    if os.getppid() != parent:
        end(signal.SIGTERM, None)


def wait_for_orphans(limit_s: float) -> bool:
    """Waits until there is no child left; returns False if some had to be ended."""
    until = time.monotonic() + limit_s
    ended = False
    with contextlib.suppress(ChildProcessError):
        while True:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
            if time.monotonic() > until:
                end_children()
                ended = True
            time.sleep(0.02)
    return not ended


def end_children() -> None:
    """Kills this process's children, by their ids."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            parent = status.read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                os.kill(int(status.parent.name), signal.SIGKILL)


def end_all() -> None:
    """Kills every child, and whoever becomes one by that, until there is none."""
    with contextlib.suppress(ChildProcessError):
        while True:
            end_children()
            os.waitpid(-1, 0)


def main(parent: str, report: str, *command: str) -> int:
    """Writes REPORT: wall and processor seconds, the largest process's memory, and the exit code."""
    adopt_orphans()
    try:
        heed_endings(int(parent))
        measure(report, command)
    except Ended:
        end_all()
        return 1
    return 0


def measure(report: str, command: Sequence[str]) -> None:
    """Runs the command, waits for all that it has started, and writes the report."""
    started = time.perf_counter()
    code = subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode
    wall_s = time.perf_counter() - started
    wait_for_orphans(ORPHANS_LIMIT_S)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    Path(report).write_text(
        json.dumps(
            {
                "wall_s": wall_s,
                "cpu_s": used.ru_utime + used.ru_stime,
                "peak_bytes": used.ru_maxrss * unit,
                "exit_code": code,
            }
        )
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
