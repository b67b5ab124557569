"""What a job prints in this process still reaches the terminal; its first lines are kept."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO

from mapreduce.wire.printed import PrintedLines


class Copied(io.TextIOBase):
    """Passes text on to a stream, and copies it.

    Args:
        stream: the stream; None for none.
        lines: receives the copy.
    """

    def __init__(self, stream: TextIO | None, lines: PrintedLines) -> None:
        self._stream = stream
        self._lines = lines

    def write(self, text: str) -> int:
        if self._stream is not None:
            self._stream.write(text)
        self._lines.add(text.encode(errors="backslashreplace"))
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            self._stream.flush()

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def writable(self) -> bool:
        return True


@contextmanager
def printed() -> Iterator[PrintedLines]:
    """Keep the lines that are printed in the block."""
    lines = PrintedLines()
    with redirect_stdout(Copied(sys.stdout, lines)):
        yield lines
    lines.flush()
