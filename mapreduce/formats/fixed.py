"""Records of a fixed number of bytes."""

from __future__ import annotations

from collections.abc import Iterator

from mapreduce.errors import RecordError
from mapreduce.formats.base import ReadRange, RecordBatch
from mapreduce.formats.compression import decompressed
from mapreduce.formats.limits import LIMITS, Limits, too_long
from mapreduce.formats.undecoded import Undecoded
from mapreduce.input_formats import FixedLength
from mapreduce.wire.messages import ByteRange

_BATCH_BYTES = 256 << 10


class FixedReader:
    """Records as (number, content), from 0. Arguments and errors are those of the `Reader`
    protocol.

    Args:
        form: the length of a record.
        limits: the longest record.
    """

    undecoded = Undecoded()

    def __init__(self, form: FixedLength, limits: Limits = LIMITS) -> None:
        self._length = form.length
        self._limits = limits

    def batches(self, byte_range: ByteRange, read: ReadRange) -> Iterator[RecordBatch]:
        """Yield batches of records."""
        if self._length > self._limits.record_bytes:
            hint = f"It is the length in FixedLength(length={self._length})"
            raise too_long("a record", self._limits.record_bytes, hint, place=byte_range.source)
        if byte_range.compression is not None:
            yield from self._unpacked(byte_range, read)
            return
        check_length(byte_range.size, self._length, byte_range.source)
        start, end = (-(-at // self._length) * self._length for at in _ends(byte_range))
        blocks = read(start, end) if start < end else iter(())
        for position, data in self._whole(blocks, start):
            yield RecordBatch(position, len(data), self._records(position, data), None, position)

    def _unpacked(self, byte_range: ByteRange, read: ReadRange) -> Iterator[RecordBatch]:
        blocks = decompressed(
            read(0, byte_range.size),
            byte_range.compression or "gzip",
            byte_range.source,
            self._limits.window_bytes,
        )
        accounted = 0
        for position, data in self._whole(blocks, 0):
            if len(data) % self._length:
                check_length(position + len(data), self._length, byte_range.source)
            left, start = byte_range.size - accounted, accounted
            accounted = byte_range.size
            yield RecordBatch(start, left, self._records(position, data), None, position)
        if not accounted:
            yield RecordBatch(0, byte_range.size, iter(()))

    def _whole(self, blocks: Iterator[bytes], position: int) -> Iterator[tuple[int, bytes]]:
        """Yield blocks of whole records with their positions; the last may end early."""
        held, least = bytearray(), max(self._length, _BATCH_BYTES)
        for block in blocks:
            held += block
            if len(held) >= least:
                size = len(held) // self._length * self._length
                yield position, bytes(held[:size])
                del held[:size]
                position += size
        if held:
            yield position, bytes(held)

    def _records(self, position: int, data: bytes) -> Iterator[tuple[int, bytes]]:
        for at in range(0, len(data), self._length):
            yield (position + at) // self._length, data[at : at + self._length]


def check_length(size: int, length: int, source: str) -> None:
    """Refuse an object whose size is no multiple of the length; raises `RecordError`."""
    if size % length:
        raise RecordError(
            f"{source} has {size:,} bytes, which is no multiple of {length}: its last record is "
            f"{size % length} bytes long. Is the length right, and the file whole?",
            place=source,
        )


def _ends(byte_range: ByteRange) -> tuple[int, int]:
    return byte_range.start, byte_range.end
