"""Objects as binary files of Python, for readers that want one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, cast

from mapreduce.formats.base import ReadRange
from mapreduce.formats.compression import decompressed
from mapreduce.formats.limits import Limits
from mapreduce.wire.messages import ByteRange

_BUFFER_BYTES = 256 << 10
_WINDOW_BYTES = 4 << 20


def whole_stream(byte_range: ByteRange, read: ReadRange, limits: Limits) -> BinaryIO:
    """Return the whole object from its first byte, decompressed; it does not seek."""
    blocks = read(0, byte_range.size) if byte_range.size else iter(())
    if byte_range.compression is not None:
        blocks = decompressed(
            blocks, byte_range.compression, byte_range.source, limits.window_bytes
        )
    return cast("BinaryIO", io.BufferedReader(_Blocks(blocks), _BUFFER_BYTES))


def seekable_stream(size: int, read: ReadRange) -> BinaryIO:
    """Return an object of `size` bytes, at its first byte; it seeks."""
    return cast("BinaryIO", io.BufferedReader(_Ranges(size, read), _BUFFER_BYTES))


class _Blocks(io.RawIOBase):
    """Blocks of bytes, one after another."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = memoryview(block)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class _Ranges(io.RawIOBase):
    """Ranges of an object, read as they are needed."""

    def __init__(self, size: int, read: ReadRange) -> None:
        self._size = size
        self._read = read
        self._at = 0
        self._window = (0, b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        start, data = self._window
        if not start <= self._at < start + len(data):
            stop = min(self._at + _WINDOW_BYTES, self._size)
            start = self._at
            data = b"".join(self._read(start, stop)) if start < stop else b""
            self._window = (start, data)
        found = memoryview(data)[self._at - start :][: len(buffer)]
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)
