"""The lines that a job prints, as far as the driver gets them."""

from __future__ import annotations

from mapreduce.wire.messages import PRINTED_LINE, PRINTED_LINES

PRINTED_BYTES = 256 << 10
"""Limit for the lines of one task."""


class PrintedLines:
    """The lines of a task's output that go to the driver: the first ones, each cut to a limit.

    Args:
        most: how many lines.
        length: characters of a line.
        limit: bytes of all lines.

    Attributes:
        left_out: bytes beyond the limits since the last `take`.
    """

    def __init__(
        self, most: int = PRINTED_LINES, length: int = PRINTED_LINE, limit: int = PRINTED_BYTES
    ) -> None:
        self._left, self._length, self._bytes_left = most, length, limit
        self._longest = 4 * length  # bytes of the longest line in UTF-8
        self._rest = b""
        self._in_cut_line = False
        self._lines: list[str] = []
        self.left_out = 0

    def add(self, data: bytes) -> None:
        """Take new output."""
        if not self._left:  # before anything else: a job may print gigabytes
            self.left_out += len(data)
            return
        if self._in_cut_line:
            rest, end, data = data.partition(b"\n")
            self.left_out += len(rest) + len(end)
            self._in_cut_line = not end
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._add(line, len(line) + 1)
        if len(self._rest) > self._longest:
            self._in_cut_line = True
            self.flush()
        elif not self._left:
            self.flush()

    def flush(self) -> None:
        """Take the rest of a line without an end as a line."""
        if self._rest:
            rest, self._rest = self._rest, b""
            self._add(rest, len(rest))

    def take(self) -> tuple[tuple[str, ...], int]:
        """Return the lines since the last call, and how many bytes were left out of them."""
        taken = tuple(self._lines), self.left_out
        self._lines, self.left_out = [], 0
        return taken

    def _add(self, line: bytes, size: int) -> None:
        if not self._left or len(line) > self._bytes_left:
            # no later line either: what is shown must not go on after a gap
            self._left = 0
            self.left_out += size
            return
        self._left -= 1
        self._bytes_left -= len(line)
        text = line.removesuffix(b"\r").decode(errors="backslashreplace")
        self.left_out += len(text[self._length :].encode())
        self._lines.append(text[: self._length])
