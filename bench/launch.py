"""Run one command and report its cost: `python -m bench.launch PARENT REPORT COMMAND...`.

Each measurement has a separate process, so that the processor time of all descendants is counted,
also of those that outlive their parent, as Spark's JVM does: on Linux orphans become this process's
children, and it waits for them. Wall time ends with the command itself. When this process is
terminated, or on Linux when its parent has ended, it ends all descendants.
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
"""How long an orphan may run before it is ended."""
SET_PARENT_DEATH_SIGNAL, SET_CHILD_SUBREAPER = 1, 36
ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Ended(BaseException):
    """This process was terminated, or its parent has ended."""


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants (prctl(2)); does nothing except on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(SET_CHILD_SUBREAPER, 1)


def heed_endings(parent: int) -> None:
    """Raise `Ended` when this process is terminated, or when its parent ends or has ended."""

    def end(number: int, frame: object) -> None:
        for each in ENDINGS:
            signal.signal(each, signal.SIG_IGN)
        raise Ended

    for each in ENDINGS:
        # keep an ignored signal ignored, as under nohup: the parent ignores it too
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, end)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(SET_PARENT_DEATH_SIGNAL, int(signal.SIGTERM))
    if os.getppid() != parent:
        end(signal.SIGTERM, None)


def wait_for_orphans(limit_s: float) -> bool:
    """Wait until no child is left; return False if some had to be ended."""
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
    """Kill this process's children, by their ids."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            parent = status.read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                os.kill(int(status.parent.name), signal.SIGKILL)


def end_all() -> None:
    """Kill every child, and those that become children by that, until none is left."""
    with contextlib.suppress(ChildProcessError):
        while True:
            end_children()
            os.waitpid(-1, 0)


def main(parent: str, report: str, *command: str) -> int:
    """Write REPORT: wall and processor seconds, the largest process's memory, and the exit code."""
    adopt_orphans()
    try:
        heed_endings(int(parent))
        measure(report, command)
    except Ended:
        end_all()
        return 1
    return 0


def measure(report: str, command: Sequence[str]) -> None:
    """Run the command, wait for its descendants, and write the report."""
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
