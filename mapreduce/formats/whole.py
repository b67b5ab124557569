"""Whole files: each file is one record."""

from __future__ import annotations

from collections.abc import Iterator

from mapreduce.errors import RecordError
from mapreduce.formats.base import ReadRange, RecordBatch
from mapreduce.formats.compression import decompressed
from mapreduce.formats.limits import LIMITS, Limits, too_long
from mapreduce.formats.undecoded import Undecoded
from mapreduce.wire.messages import ByteRange


class WholeFileReader:
    """Files as (URL, content), decompressed if needed; an empty file is a record too.

    Its byte ranges are always whole objects. Arguments and errors are those of the `Reader`
    protocol.

    Args:
        limits: the longest file.
    """

    undecoded = Undecoded()

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits

    def batches(self, byte_range: ByteRange, read: ReadRange) -> Iterator[RecordBatch]:
        """Yield one batch of one record."""
        if (byte_range.start, byte_range.end) != (0, byte_range.size):
            raise ValueError(
                f"bytes {byte_range.start} to {byte_range.end} of {byte_range.source} are not the "
                "whole file"
            )
        yield RecordBatch(0, byte_range.size, _record(byte_range, read, self._limits))


def _record(byte_range: ByteRange, read: ReadRange, limits: Limits) -> Iterator[tuple[str, bytes]]:
    if byte_range.size > limits.file_bytes:
        raise _too_long(byte_range, limits)
    blocks = read(0, byte_range.size) if byte_range.size else iter(())
    if byte_range.compression is not None:
        blocks = decompressed(
            blocks, byte_range.compression, byte_range.source, limits.window_bytes
        )
    held: list[bytes] = []
    length = 0
    for block in blocks:
        held.append(block)
        length += len(block)
        if length > limits.file_bytes:
            held.clear()
            raise _too_long(byte_range, limits)
    yield byte_range.source, b"".join(held)


def _too_long(byte_range: ByteRange, limits: Limits) -> RecordError:
    unpacked = " unpacked" if byte_range.compression else ""
    hint = "Cut it into smaller files, or read it as lines (Text(), Csv(), JsonLines())"
    return too_long(f"a whole file{unpacked}", limits.file_bytes, hint, place=byte_range.source)
