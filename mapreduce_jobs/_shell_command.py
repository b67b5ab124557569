"""A shell command that is fed lines and gives lines, for the streaming jobs.

One loop serves its three pipes, so neither a full pipe nor much output on standard error can bring
it to a stop.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

READ_BYTES = 1 << 16
FEED_BYTES = 1 << 16
"""Bytes of lines that are gathered before they are written to the command."""
KEPT_BYTES = 4_000
"""The end of the standard error that a failure shows."""


class CommandFailed(RuntimeError):
    """A command ended with another exit code than 0."""


class ShellCommand:
    """One process of a command, run by `/bin/sh -c`.

    Args:
        role: "mapper" or "reducer", for errors.
        command: the command, or a pipeline of several.
        environment: variables beyond those of this process.
        folder: the folder in which it runs; None for this process's.
        count: receives the name and the amount of a counter, from `reporter:counter:` lines.
    """

    def __init__(
        self,
        role: str,
        command: str,
        environment: Mapping[str, str],
        folder: Path | None,
        count: Callable[[str, int], None],
    ) -> None:
        self._role = role
        self._command = command
        self._count = count
        self._waiting: list[bytes] = []
        self._size = 0
        self._cut: list[bytes] = []
        self._said = b""
        self._errors = b""
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={**os.environ, **environment},
        )
        self._pipes = selectors.DefaultSelector()
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._input, self._output = self._process.stdin, self._process.stdout
        self._stderr = self._process.stderr
        for pipe in (self._input, self._output, self._stderr):
            os.set_blocking(pipe.fileno(), False)
        self._pipes.register(self._output, selectors.EVENT_READ)
        self._pipes.register(self._stderr, selectors.EVENT_READ)

    def __del__(self) -> None:
        # a task that failed leaves its command; what is left of a task ends with its worker too
        process = getattr(self, "_process", None)
        if process is None:
            return
        if process.poll() is None:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr, self._pipes):
            pipe.close()

    def feed(self, lines: bytes) -> Iterator[bytes]:
        """Give the command whole lines; yield lines that it has written meanwhile.

        Raises:
            CommandFailed: it has ended with another exit code than 0.
        """
        self._waiting.append(lines)
        self._size += len(lines)
        if self._size >= FEED_BYTES:
            yield from self._fed()

    def end(self) -> Iterator[bytes]:
        """End the command's input, and yield the rest of its lines.

        Raises:
            CommandFailed: it has ended with another exit code than 0.
        """
        yield from self._fed()
        self._close_input()
        while self._pipes.get_map():
            yield from self._turn(None)
        if rest := b"".join(self._cut):
            yield rest
        self._process.wait()
        for pipe in (self._output, self._stderr, self._pipes):
            pipe.close()
        self._check()

    def _fed(self) -> Iterator[bytes]:
        """Write what waits, and yield the lines that are there."""
        left = memoryview(b"".join(self._waiting))
        self._waiting, self._size = [], 0
        if left and not self._input.closed:
            self._pipes.register(self._input, selectors.EVENT_WRITE)
        while left and not self._input.closed:
            for key, _ in self._pipes.select():
                if key.fileobj is self._input:
                    left = left[self._written(left) :]
                else:
                    yield from self._read(key.fileobj)
        if not self._input.closed:
            if self._input in [key.fileobj for key in self._pipes.get_map().values()]:
                self._pipes.unregister(self._input)
            yield from self._turn(0)

    def _turn(self, timeout_s: float | None) -> Iterator[bytes]:
        for key, _ in self._pipes.select(timeout_s):
            yield from self._read(key.fileobj)

    def _written(self, data: memoryview) -> int:
        try:
            return os.write(self._input.fileno(), data[:READ_BYTES])
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            # it wants no more, as `head` does: so in a pipeline; a failure shows in its exit code
            self._pipes.unregister(self._input)
            self._close_input()
            return len(data)

    def _close_input(self) -> None:
        if not self._input.closed:
            self._input.close()

    def _read(self, pipe: object) -> Iterator[bytes]:
        """Read what a pipe has; yield the whole lines of standard output."""
        stream = self._output if pipe is self._output else self._stderr
        data = os.read(stream.fileno(), READ_BYTES)
        if not data:
            self._pipes.unregister(stream)
        elif stream is self._output:
            yield from self._lines(data)
            return
        if stream is self._stderr:
            self._note(data)

    def _lines(self, data: bytes) -> Iterator[bytes]:
        """Yield the lines that end in the data; a long line is joined once, at its end."""
        if b"\n" not in data:
            self._cut.append(data)
            return
        *lines, rest = data.split(b"\n")
        lines[0] = b"".join([*self._cut, lines[0]])
        self._cut = [rest] if rest else []
        yield from lines

    def _note(self, data: bytes) -> None:
        """Take lines of standard error: counters and status as Hadoop has them, or text."""
        *lines, self._said = (self._said + data).split(b"\n")
        if self._said and (not data or len(self._said) > KEPT_BYTES):
            lines, self._said = [*lines, self._said], b""
        for line in lines:
            text = line.decode("utf-8", "replace")
            if text.startswith("reporter:counter:"):
                group, _, rest = text.removeprefix("reporter:counter:").partition(",")
                name, _, amount = rest.rpartition(",")
                if amount.strip().lstrip("-").isdecimal():
                    self._count(f"{group}: {name}", int(amount))
                    continue
            elif text.startswith("reporter:status:"):
                continue
            self._errors = (self._errors + line + b"\n")[-KEPT_BYTES:]
            sys.stderr.write(f"{text}\n")

    def _check(self) -> None:
        code = self._process.returncode
        if code:
            said = self._errors.decode("utf-8", "replace").rstrip()
            *_, last = said.split("\n")
            what = f"exit code {code}" if code > 0 else f"signal {-code}"
            cause = f": {last}" if said else ""
            more = f"\nthe end of its standard error:\n{said}" if "\n" in said else ""
            raise CommandFailed(
                f"the {self._role} `{self._command}` ended with {what}{cause}{more}"
            )
