"""Pass the output of jobs to the service's log, and its first lines to the driver: whole lines, up
to a limit for each task.
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
from contextlib import suppress

from mapreduce.wire.printed import PrintedLines

PRINTED_BYTES = 1 << 20
"""Limit for one task; a job that prints each record would fill the service's disk and the store."""
READ_BYTES = 64 << 10
DRAINED_READS = 16
"""Reads that empty a pipe, which holds at most 1 MiB; a process that goes on to print adds more."""
_LOG = 2


class Allowance:
    """The limit on a task's output.

    Args:
        limit: bytes.
    """

    def __init__(self, limit: int = PRINTED_BYTES) -> None:
        self._limit = limit
        self._passed = 0
        self._rest = b""
        self.left_out = 0

    def pass_on(self, data: bytes) -> bytes:
        """Return the part of new output that goes to the log: whole lines within the limit."""
        head, newline, tail = (self._rest + data).rpartition(b"\n")
        whole, self._rest = head + newline, tail
        if len(self._rest) > READ_BYTES:  # bounds the memory for a line without an end
            whole, self._rest = whole + self._rest, b""
        left = self._limit - self._passed
        allowed = whole if len(whole) <= left else whole[: whole.rfind(b"\n", 0, left) + 1]
        self.left_out += len(whole) - len(allowed)
        # once a line is dropped, all later ones are: the log must not continue after a gap
        self._passed = self._limit if len(allowed) < len(whole) else self._passed + len(allowed)
        return allowed

    def rest(self) -> bytes:
        """Return the rest of a line without an end, if it is within the limit."""
        return self.pass_on(b"\n") if self._rest else b""


class Prints:
    """The output of one worker's tasks, read from a pipe by the running event loop.

    Attributes:
        writing: the worker's standard output and error; close it after the worker has been forked.
    """

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)
        self._allowance, self._lines = Allowance(), PrintedLines()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._reading, self._read)

    def begin(self) -> None:
        """Start the count for a new task; what is still in the pipe is of the last one."""
        self._drain()
        self._allowance, self._lines = Allowance(), PrintedLines()

    def said(self, *, all_of_it: bool = False) -> tuple[tuple[str, ...], int]:
        """Return the lines since the last call, and how many bytes were left out.

        Args:
            all_of_it: the task has ended: with what is still in the pipe, and a line without an
                end.
        """
        if all_of_it:
            self._drain()
            self._lines.flush()
        return self._lines.take()

    def end(self) -> int:
        """Pass on the rest of a task's output; return how many bytes were dropped."""
        self._drain()
        _write(self._allowance.rest())
        return self._allowance.left_out

    def close(self) -> None:
        """Close the pipe."""
        self._loop.remove_reader(self._reading)
        os.close(self._reading)

    def _drain(self) -> None:
        """Read what is in the pipe, as much as a pipe holds."""
        for _ in range(DRAINED_READS):
            if not self._read():
                return

    def _read(self) -> bool:
        """Read once; return whether there was anything."""
        with suppress(BlockingIOError):
            data = os.read(self._reading, READ_BYTES)
            if not data:  # every process that held the other end has closed it
                self._loop.remove_reader(self._reading)
            self._lines.add(data)
            _write(self._allowance.pass_on(data))
            return bool(data)
        return False


def _write(data: bytes) -> None:
    with suppress(OSError):  # a full disk or a closed terminal must not end a task
        while data:
            data = data[os.write(_LOG, data) :]


def print_line_by_line() -> None:
    """Let this process, and those that it forks, write each line as soon as it is printed.

    A pipe is buffered otherwise, and a process that is killed would take its last lines with it.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)


def flush_prints() -> None:
    """Write the rest of a line that this process has printed; never fails."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(BaseException):  # a job may have put any object there
            stream.flush()
