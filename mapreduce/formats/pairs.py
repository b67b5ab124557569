"""Pairs that another step of a chain has yielded, with their exact types: frames behind each other.

A frame belongs to the range in which its first byte lies, as a line does. Where a range begins in the middle of one,
the next is found by its magic bytes and proven by its checksum (the idea of the sync marks in Hadoop's SequenceFile).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from mapreduce.encoding import decode_key, encode_key, pack_value, unpack_value
from mapreduce.errors import CorruptBlock
from mapreduce.formats.base import Batch, ReadRange
from mapreduce.formats.frames import (
    HEADER_BYTES,
    MAGIC,
    BlockReader,
    BlockWriter,
    Frame,
    parse_frame,
    stored_bytes,
)
from mapreduce.formats.undecoded import Undecoded
from mapreduce.wire.messages import Piece

WINDOW_BYTES = 4 << 20


class PairsReader:
    """Frames of pairs. Arguments and errors are those of the `Reader` protocol."""

    undecoded = Undecoded()

    def batches(self, piece: Piece, read: ReadRange) -> Iterator[Batch]:
        """A batch for each frame."""
        window = _Window(read, piece.size)
        at, known = piece.start, piece.start == 0
        while at < piece.end:
            found = _frame(window, at)
            if found is not None and (known or _goes_on(window, at + found[1], piece.size)):
                frame, length = found
                yield Batch(at, length, _records(frame))
                at, known = at + length, True
            elif known:
                raise CorruptBlock(f"{piece.url} holds no whole frame at byte {at}")
            else:
                at = _next_magic(window, at, piece.end)


def pairs_content(pairs: Iterable[tuple[Any, Any]]) -> bytes:
    """An object that holds pairs."""
    file = io.BytesIO()
    BlockWriter(file).write((encode_key(key), pack_value(value)) for key, value in pairs)
    return file.getvalue()


def pairs_of_content(content: bytes) -> Iterator[tuple[Any, Any]]:
    """The pairs that an object holds; raises `CorruptBlock`."""
    for frame in BlockReader(
        io.BytesIO(content), len(content), "the pairs", ordered=False
    ).frames():
        yield from _records(frame)


class _Window:
    """The object's bytes from where they were last asked for, read ahead."""

    def __init__(self, read: ReadRange, size: int) -> None:
        self._read = read
        self._size = size
        self._start = 0
        self._data = b""

    def get(self, start: int, length: int) -> bytes:
        """The bytes at `start`; fewer at the object's end."""
        end = min(start + length, self._size)
        if not self._start <= start <= end <= self._start + len(self._data):
            stop = min(max(end, start + WINDOW_BYTES), self._size)
            self._start, self._data = (
                start,
                b"".join(self._read(start, stop)) if start < stop else b"",
            )
        return self._data[start - self._start : end - self._start]


def _frame(window: _Window, at: int) -> tuple[Frame, int] | None:
    """The frame that begins at a byte, and its length; None when none does."""
    header = window.get(at, HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        return None
    stored_length = stored_bytes(header)
    if stored_length is None:
        return None
    stored = window.get(at + HEADER_BYTES, stored_length)
    frame = parse_frame(header, stored) if len(stored) == stored_length else None
    return (frame, HEADER_BYTES + stored_length) if frame else None


def _goes_on(window: _Window, at: int, size: int) -> bool:
    """Whether another frame follows, or the end: a value that happens to hold a whole frame is followed by neither."""
    return at == size or window.get(at, len(MAGIC)) == MAGIC


def _next_magic(window: _Window, at: int, end: int) -> int:
    """Where the next magic bytes after `at` begin, or `end`."""
    at += 1
    while at < end:
        data = window.get(at, WINDOW_BYTES)
        found = data.find(MAGIC)
        if found >= 0:
            return at + found
        at += max(len(data) - len(MAGIC) + 1, 1)
    return end


def _records(frame: Frame) -> Iterator[tuple[Any, Any]]:
    for key, packed in zip(frame.keys, frame.values, strict=True):
        yield decode_key(key), unpack_value(packed)
