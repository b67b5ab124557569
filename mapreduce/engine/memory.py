"""The peak memory of this process since a point in time."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from mapreduce.system import operating_system

T = TypeVar("T")
_CLEAR = "self/clear_refs"
_STATUS = "self/status"
_MARK = b"\nVmHWM:"
_STATUS_BYTES = 16 << 10


class PeakMemory:
    """The peak resident memory since construction.

    On Linux the kernel's high-water mark is reset (proc(5), clear_refs), so that a process that
    runs several tasks can measure each. Elsewhere, or without the permission, it is the peak since
    the process started.
    """

    def __init__(self) -> None:
        try:
            _with_file(_CLEAR, os.O_WRONLY, lambda file: os.write(file, b"5"))
            self._since_start = False
        except OSError:
            self._since_start = True

    def bytes(self) -> int:
        """Return the peak so far, in bytes."""
        if not self._since_start:
            status = _with_file(_STATUS, os.O_RDONLY, lambda file: os.read(file, _STATUS_BYTES))
            if _MARK in status:
                return int(status.partition(_MARK)[2].split(None, 1)[0]) * 1024
        return operating_system.peak_memory_bytes()


def _with_file(path: str, flags: int, use: Callable[[int], T]) -> T:
    """Open a file of /proc by descriptor: a file object and its buffers cost more than the rest of
    a small task.
    """
    file = os.open(f"{operating_system.PROC}/{path}", flags)
    try:
        return use(file)
    finally:
        os.close(file)
