"""Makes the process's standard streams safe: a failed write of a message never ends a run.

Standard error has progress and notes; it drops what cannot be written. Standard output has answers
and documents; a failure to write to it is an error of the command, but a reader that has closed its
pipe (`| head`) has read enough. This module imports nothing slow.
"""

from __future__ import annotations

import errno
import io
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

WAITING_TEXTS = 1_000
"""Texts that wait for a slow reader; more are dropped."""
DRAIN_S = 2.0
"""Seconds that the end of a run waits for a slow reader."""

_STANDARD = (0, 1, 2)
_READER_GONE = (errno.EPIPE, errno.EIO)
"""Errors of a write to a pipe whose reader has ended, or to a terminal that has closed."""


def fill_closed() -> None:
    """Open the null device in place of standard streams that are closed.

    Otherwise the next file or socket gets such a descriptor, and prints of this process or its
    children are written into it.
    """
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            os.set_inheritable(number, True)


def make_safe() -> None:
    """Put the safe streams in place of `sys.stdout` and `sys.stderr`."""
    sys.stderr = QuietStream(sys.stderr)
    sys.stdout = OutputStream(sys.stdout)


@contextmanager
def unhurried() -> Iterator[None]:
    """Let a thread write standard error within the block.

    A terminal that is stopped with Ctrl-S, or a pipe whose reader does not read, would otherwise
    stop the whole run.
    """
    before, number = sys.stderr, None
    with suppress(AttributeError, OSError, ValueError):
        number = before.fileno()
    if number is None:  # not a descriptor, so a write cannot block
        yield
        return
    before.flush()
    slow = _SlowStream(before, number)
    sys.stderr = slow
    try:
        yield
    finally:
        slow.drain(DRAIN_S)
        sys.stderr = before


class _Stream(io.TextIOBase):
    """A text stream over another one, which may be None or broken.

    Args:
        stream: where the text goes.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream below."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """How characters that the encoding lacks are written."""
        return "backslashreplace"

    @property
    def buffer(self) -> BinaryIO:
        """The same stream for bytes, for programs that encode their text themselves."""
        return cast("BinaryIO", _Bytes(self))

    def reconfigure(self, **_: object) -> None:
        """Change nothing: a job must not reconfigure the driver's standard output."""

    def fileno(self) -> int:
        """Return the descriptor of the stream below; raises `OSError` where there is none."""
        if self._stream is None:
            raise io.UnsupportedOperation("the stream is closed")
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Return whether the stream below is a terminal."""
        try:
            return self._stream is not None and self._stream.isatty()
        except (OSError, ValueError):
            return False

    def writable(self) -> bool:
        """Return True: text is always accepted."""
        return True

    def close(self) -> None:
        """Flush, and leave the stream below open: it belongs to the process."""
        self.flush()


class _Bytes(io.RawIOBase):
    """The bytes of a text stream."""

    def __init__(self, text: _Stream) -> None:
        self._text = text

    def writable(self) -> bool:
        """Return True: bytes are always accepted."""
        return True

    def write(self, data: Buffer) -> int:
        """Decode bytes, and write them as text."""
        content = bytes(data)
        self._text.write(content.decode(self._text.encoding, "backslashreplace"))
        return len(content)

    def flush(self) -> None:
        """Flush the text stream."""
        self._text.flush()


class QuietStream(_Stream):
    """Standard error: drops what cannot be written."""

    def write(self, text: str) -> int:
        """Write a text if possible."""
        if self._stream is not None:
            # ValueError: closed, or a character that it cannot encode
            with suppress(OSError, ValueError):
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream below if possible."""
        if self._stream is not None:
            with suppress(OSError, ValueError):
                self._stream.flush()


class OutputStream(_Stream):
    """Standard output: raises `NotWritten` at the first write that fails, and drops later ones.

    After a pipe's reader or the terminal has gone, it drops everything, and raises nothing.
    """

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__(stream)
        self._failed = False

    @property
    def is_missing(self) -> bool:
        """Whether the process was started without standard output (`>&-`)."""
        return self._stream is None

    def write(self, text: str) -> int:
        """Write a text; raises `NotWritten`."""
        self._do(lambda stream: stream.write(text))
        return len(text)

    def write_bytes(self, data: bytes) -> bool:
        """Write bytes as they are, and return whether the reader is there; raises `NotWritten`."""

        def act(stream: TextIO) -> None:
            stream.flush()
            below: object = stream
            while isinstance(below, _Stream):  # whose `buffer` takes bytes of text only
                below = below._stream
            if below is None:
                raise OSError("it is closed")
            cast("TextIO", below).buffer.write(data)

        self._do(act)
        return not self._failed

    def flush(self) -> None:
        """Flush the stream below; raises `NotWritten`."""
        if self._stream is not None:
            self._do(lambda stream: stream.flush())

    def _do(self, act: Callable[[TextIO], object]) -> None:
        if self._failed:
            return
        try:
            if self._stream is None:
                raise OSError("it is closed")
            act(self._stream)
        except (OSError, ValueError) as exc:
            if getattr(exc, "errno", None) in _READER_GONE:
                self._failed = True
                self._drain_buffer()
                return
            from mapreduce.errors import NotWritten  # brings the job API

            self._failed = True
            why = getattr(exc, "strerror", None) or exc
            raise NotWritten(f"standard output cannot be written to: {why}") from exc

    def _drain_buffer(self) -> None:
        """Let the buffered rest go nowhere: Python would report it at its end, with code 120."""
        with suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)


class _SlowStream(_Stream):
    """A stream whose thread writes straight to the descriptor: no lock is held while it waits."""

    def __init__(self, stream: TextIO, number: int) -> None:
        super().__init__(stream)
        self._number = number
        self._is_over = False
        self._texts: queue.Queue[bytes | None] = queue.Queue(WAITING_TEXTS)
        self._thread = threading.Thread(target=self._write_all, name="standard error", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        """Queue a text for the thread; drop it when the queue is full."""
        with suppress(queue.Full):
            self._texts.put_nowait(text.encode(self.encoding, "backslashreplace"))
        return len(text)

    def flush(self) -> None:
        """Do nothing: the thread buffers nothing."""

    def drain(self, patience_s: float) -> None:
        """Wait at most `patience_s` seconds until all is written; drop the rest."""
        with suppress(queue.Full):
            self._texts.put(None, timeout=patience_s)
            self._thread.join(patience_s)
        self._is_over = True

    def _write_all(self) -> None:
        while (content := self._texts.get()) is not None and not self._is_over:
            with suppress(OSError):
                while content and not self._is_over:
                    content = content[os.write(self._number, content) :]
