"""Find and end child processes, and set the process attributes that make this possible."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from mapreduce.system import operating_system

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PAUSE_S = 0.002
_READ_BYTES = 16 << 10


def close_other_files(keep: Collection[int]) -> None:
    """Close every open file except standard input, output, error and those in `keep`.

    A fork duplicates all of them, and a pipe reports its end only when every duplicate is closed.
    """
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - names, on Linux and macOS
        number = int(name)
        if number > 2 and number not in keep:
            try:
                os.close(number)
            except OSError:
                continue


def signal_socket(numbers: Collection[signal.Signals]) -> socket.socket:
    """Return a socket that receives a byte, its number, for each of these signals."""
    woken, wake = socket.socketpair()
    woken.setblocking(False)
    wake.setblocking(False)
    for number in numbers:
        # a handler, so that the wake-up descriptor gets a byte: SIG_DFL and SIG_IGN write none
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(wake.detach(), warn_on_full_buffer=False)
    return woken


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies (Linux; elsewhere only the pipes
    tell).
    """
    if operating_system.prctl is not None:
        operating_system.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants, to find and end them (Linux; elsewhere init's)."""
    if operating_system.prctl is not None:
        operating_system.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def hide_from_others() -> None:
    """Hide this process's memory from other processes of the user; no core dumps (Linux)."""
    if operating_system.prctl is not None:
        operating_system.prctl(_PR_SET_DUMPABLE, 0)


def children_of(pid: int) -> set[int]:
    """Return the children of a process: from /proc, and from ps(1) where there is none."""
    found: set[int] = set()
    threads = f"{operating_system.PROC}/{pid}/task"
    try:
        for thread in os.listdir(threads):  # noqa: PTH208 - names, and often
            found.update(map(int, _read(f"{threads}/{thread}/children").split()))
    except FileNotFoundError:
        # the process has ended, or this kernel lacks the file `children`: then scan all processes
        return _children_by_parent(pid)
    except OSError:
        return set()
    return found


def descendants_of(pid: int) -> list[int]:
    """Return a process's children, their children and so on; parents come before their children."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = [child for child in children_of(waiting.pop()) if child not in found]
        found += below
        waiting += below
    return found


def end_strays(keep: Collection[int]) -> None:
    """Kill each child of this process not in `keep`, and its descendants, without waiting."""
    for child in children_of(os.getpid()).difference(keep):
        # the parent first, so that it cannot start another one in the meantime
        for pid in (child, *descendants_of(child)):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def end_all_strays(keep: Collection[int], limit_s: float) -> bool:
    """Kill and reap until no child is left but those in `keep`.

    This process must have adopted orphans: children that a killed process has started in the
    meantime become its own, and are killed in the next round. So processes that keep forking are
    ended too.

    Args:
        keep: children that stay; they are not reaped.
        limit_s: when to give up.

    Returns:
        True if none is left.
    """
    until = time.monotonic() + limit_s
    while strays := children_of(os.getpid()).difference(keep):
        end_strays(keep)
        for pid in strays:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE_S)
    return True


def reap_orphans() -> None:
    """Reap every child that has ended: a container's first process inherits orphans."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def cause_of_death(status: int) -> str:
    """Return a child's wait status in words."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name
        hint = {
            signal.SIGKILL: "most likely out of memory: give the service more, or use smaller "
            "splits",
            signal.SIGSEGV: "a crash in native code",
            signal.SIGABRT: "a crash in native code",
        }.get(signal.Signals(number), "")
        return f"was killed by {name}" + (f" ({hint})" if hint else "")
    return f"ended by itself with exit code {os.WEXITSTATUS(status)}"


def _read(path: str) -> bytes:
    """Return the content of a file in /proc, without a file object: this runs often."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        read = b""
        while more := os.read(file, _READ_BYTES):
            read += more
        return read
    finally:
        os.close(file)


def _children_by_parent(pid: int) -> set[int]:
    """Return the children by a scan of all processes."""
    if not Path(operating_system.PROC).is_dir():
        return {child for child, parent in operating_system.parents().items() if parent == pid}
    found = set()
    for name in os.listdir(operating_system.PROC):  # noqa: PTH208 - names
        if name.isdigit():
            with suppress(OSError, ValueError):
                stat = Path(f"{operating_system.PROC}/{name}/stat").read_bytes()
                # the name of the program is in parentheses, and may itself contain spaces and
                # parentheses
                if int(stat.rpartition(b")")[2].split()[1]) == pid:
                    found.add(int(name))
    return found
