"""Pairs from an earlier step of a chain, with their exact types: a sequence of frames.

A frame belongs to the byte range that holds its first byte, as a line does. If a range begins
inside a frame, the next frame is found by its magic bytes and verified by its checksum, like the
sync marks in Hadoop's SequenceFile.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from mapreduce.encoding import decode_key, encode_key, pack_value, unpack_value
from mapreduce.errors import CorruptBlock
from mapreduce.formats.base import ReadRange, RecordBatch
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
from mapreduce.wire.messages import ByteRange

WINDOW_BYTES = 4 << 20


class PairsReader:
    """Frames of pairs. Arguments and errors are those of the `Reader` protocol."""

    undecoded = Undecoded()

    def batches(self, byte_range: ByteRange, read: ReadRange) -> Iterator[RecordBatch]:
        """Yield a batch for each frame."""
        window = _Window(read, byte_range.size)
        # `known` is true if a frame certainly begins at `at`; otherwise magic bytes may be part of
        # a value
        at, known = byte_range.start, byte_range.start == 0
        while at < byte_range.end:
            found = _frame(window, at)
            if found is not None and (known or _goes_on(window, at + found[1], byte_range.size)):
                frame, length = found
                yield RecordBatch(at, length, _records(frame))
                at, known = at + length, True
            elif known:
                raise CorruptBlock(f"{byte_range.url} holds no whole frame at byte {at}")
            else:
                at = _next_magic(window, at, byte_range.end)


def pairs_content(pairs: Iterable[tuple[Any, Any]]) -> bytes:
    """Return the content of an object that holds pairs."""
    file = io.BytesIO()
    BlockWriter(file).write((encode_key(key), pack_value(value)) for key, value in pairs)
    return file.getvalue()


def pairs_of_content(content: bytes) -> Iterator[tuple[Any, Any]]:
    """Yield the pairs in an object's content.

    Raises:
        CorruptBlock: a byte is not as it was written.
    """
    for frame in BlockReader(
        io.BytesIO(content), len(content), "the pairs", ordered=False
    ).frames():
        yield from _records(frame)


class _Window:
    """The object's bytes from the last position that was read, read ahead."""

    def __init__(self, read: ReadRange, size: int) -> None:
        self._read = read
        self._size = size
        self._start = 0
        self._data = b""

    def get(self, start: int, length: int) -> bytes:
        """Return the bytes at `start`; fewer at the object's end."""
        end = min(start + length, self._size)
        if not self._start <= start <= end <= self._start + len(self._data):
            # one request for many frames
            stop = min(max(end, start + WINDOW_BYTES), self._size)
            self._start, self._data = (
                start,
                b"".join(self._read(start, stop)) if start < stop else b"",
            )
        return self._data[start - self._start : end - self._start]


def _frame(window: _Window, at: int) -> tuple[Frame, int] | None:
    """Return the frame that begins at a byte and its length, or None."""
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
    """Return whether another frame or the end follows.

    A value that happens to contain a whole frame is followed by neither.
    """
    return at == size or window.get(at, len(MAGIC)) == MAGIC


def _next_magic(window: _Window, at: int, end: int) -> int:
    """Return the position of the next magic bytes after `at`, or `end`."""
    at += 1
    while at < end:
        data = window.get(at, WINDOW_BYTES)
        found = data.find(MAGIC)
        if found >= 0:
            return at + found
        # step back by less than the magic's length: it may lie across two windows
        at += max(len(data) - len(MAGIC) + 1, 1)
    return end


def _records(frame: Frame) -> Iterator[tuple[Any, Any]]:
    for key, packed in zip(frame.keys, frame.values, strict=True):
        yield decode_key(key), unpack_value(packed)
