"""What does this operating system lack? Linux and macOS differ here, and in no other module.

`services/healthcheck.py` and `driver/program/module_path.py` must start without this package, and
ask for themselves.

Each name has a branch for both; tests run the branch of macOS on Linux, by taking away what macOS
does not have. Nothing here decides by the name of the system where it can ask for the ability.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Final

IS_LINUX: Final[bool] = sys.platform == "linux"
IS_MACOS: Final[bool] = sys.platform == "darwin"

PROC = "/proc"
"""The folder of the processes; macOS has none, so each reader expects that it is missing."""

prctl: Callable[..., int] | None = ctypes.CDLL(None).prctl if IS_LINUX else None
"""prctl(2): a process that dies with its parent, adopts orphans, hides its memory; else None."""

madvise: Callable[..., int] | None = ctypes.CDLL(None).madvise if IS_LINUX else None
"""madvise(2) with Linux's advice, or None."""

ABSTRACT_SOCKETS = IS_LINUX
"""Whether Unix sockets may have a name that is no file."""

NAMELESS_FILE = getattr(os, "O_TMPFILE", 0)
"""The flag of open(2) for a file without a name; 0 where there is none."""

LINK_OPTIONS = ("-bundle", "-undefined", "dynamic_lookup") if IS_MACOS else ("-shared",)
"""How a compiler links an extension of Python."""

_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)
_PS = ("ps", "-A", "-o", "pid=,ppid=")


def finds_orphans() -> bool:
    """Return whether orphaned descendants of a process can be adopted and found."""
    return prctl is not None and Path(PROC, "self").is_dir()


def can_name_a_file() -> bool:
    """Return whether a file without a name can be opened, and get a name afterwards."""
    return bool(NAMELESS_FILE) and Path(PROC, "self", "fd").is_dir()


def sync(file: int) -> None:
    """Sync a file to the disk; on macOS, fsync(2) alone does not reach the disk."""
    if _FULL_SYNC is None:
        os.fsync(file)
        return
    fcntl.fcntl(file, _FULL_SYNC)


def peak_memory_bytes() -> int:
    """Return this process's peak memory since it started; macOS counts in bytes, Linux in KiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if IS_MACOS else peak * 1024


def parents() -> dict[int, int]:
    """Return each process with its parent, from ps(1) and without it; {} if it cannot be run."""
    try:
        with subprocess.Popen(_PS, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as ps:
            said = ps.communicate()[0]
    except OSError:
        return {}
    pairs = [tuple(map(int, line.split())) for line in said.splitlines()]
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and pair[0] != ps.pid}


def typed_name(name: str) -> str:
    """Return a file's name as a keyboard types it: macOS may list `é` as two characters."""
    return unicodedata.normalize("NFC", name) if IS_MACOS else name
