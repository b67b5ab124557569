"""Values that a `reduce` reads more than once: in memory, or on disk beyond a limit."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Generator, Iterable, Iterator
from itertools import chain
from typing import Any, BinaryIO, Self

from mapreduce.encoding import decode_value, encode_value

MEMORY_BYTES = 16 << 20
"""What a spool holds in memory, in bytes of encoded values."""
_LENGTH_BYTES = 4
_READ_BYTES = 1 << 20


class Spool:
    """A sequence of values that may be longer than memory.

    The values of a `reduce` come once. A join reads those of one side for each row of the other, so
    it spools them. Up to `memory_bytes` they stay in memory; all that is more goes to a temporary
    file, which is gone with the spool, or when the process ends.

    Args:
        values: the first ones.
        memory_bytes: of encoded values that stay in memory.
    """

    def __init__(self, values: Iterable[Any] = (), memory_bytes: int = MEMORY_BYTES) -> None:
        self._memory_bytes = memory_bytes
        self._kept: list[Any] = []
        self._size = 0
        self._file: BinaryIO | None = None
        self._count = 0
        for value in values:
            self.append(value)

    def append(self, value: Any) -> None:
        """Append a value of any type that a pair can carry."""
        encoded = encode_value(value)
        self._size += len(encoded)
        self._count += 1
        if self._file is None and self._size <= self._memory_bytes:
            self._kept.append(value)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="mapreduce-spool-")  # noqa: SIM115 - kept open
            weakref.finalize(self, self._file.close)
        self._file.seek(0, 2)
        self._file.write(len(encoded).to_bytes(_LENGTH_BYTES, "little") + encoded)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        """Return an iterator over all values in their order; there may be several at a time."""
        return iter(self._kept) if self._file is None else chain(self._kept, _stored(self._file))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def clear(self) -> None:
        """Drop all values."""
        if self._file is not None:
            self._file.close()
        self._kept, self._size, self._count, self._file = [], 0, 0, None


def _stored(file: BinaryIO) -> Iterator[Any]:
    """Yield the values in a file."""
    at, rest = 0, b""
    while True:
        file.seek(at)  # other iterations have moved it
        block = file.read(_READ_BYTES)
        if not block:
            return
        at += len(block)
        rest = yield from _decoded(rest + block)


def _decoded(data: bytes) -> Generator[Any, None, bytes]:
    """Yield the values that are whole in some bytes; return the bytes behind them."""
    begin = 0
    while begin + _LENGTH_BYTES <= len(data):
        first = begin + _LENGTH_BYTES
        end = first + int.from_bytes(data[begin:first], "little")
        if end > len(data):
            break
        yield decode_value(data[first:end])
        begin = end
    return data[begin:]
