"""What a job prints in this process still reaches the terminal; its first lines are kept."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

from mapreduce.wire.printed import PrintedLines

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


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

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream below."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    @property
    def buffer(self) -> BinaryIO:
        """The same stream for bytes."""
        return cast("BinaryIO", _Bytes(self))

    def reconfigure(self, **_: object) -> None:
        """Change nothing: the stream belongs to the driver."""

    def fileno(self) -> int:
        if self._stream is None:
            raise io.UnsupportedOperation("the stream is closed")
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def writable(self) -> bool:
        return True


class _Bytes(io.RawIOBase):
    """The bytes of a copied stream."""

    def __init__(self, text: Copied) -> None:
        self._text = text

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        content = bytes(data)
        self._text.write(content.decode(self._text.encoding, "backslashreplace"))
        return len(content)

    def flush(self) -> None:
        self._text.flush()


@contextmanager
def printed() -> Iterator[PrintedLines]:
    """Keep the lines that are printed in the block."""
    lines = PrintedLines()
    with redirect_stdout(Copied(sys.stdout, lines)):
        yield lines
    lines.flush()
