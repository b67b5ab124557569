"""Whole files: each file is one record."""

from __future__ import annotations

from collections.abc import Iterator

from mapreduce.errors import RecordError
from mapreduce.formats.base import Batch, ReadRange
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

    def batches(self, piece: ByteRange, read: ReadRange) -> Iterator[Batch]:
        """Yield one batch of one record."""
        if (piece.start, piece.end) != (0, piece.size):
            raise ValueError(
                f"bytes {piece.start} to {piece.end} of {piece.source} are not the whole file"
            )
        yield Batch(0, piece.size, _record(piece, read, self._limits))


def _record(piece: ByteRange, read: ReadRange, limits: Limits) -> Iterator[tuple[str, bytes]]:
    if piece.size > limits.file_bytes:
        raise _too_long(piece, limits)
    blocks = read(0, piece.size) if piece.size else iter(())
    if piece.compression is not None:
        blocks = decompressed(blocks, piece.compression, piece.source, limits.window_bytes)
    held: list[bytes] = []
    length = 0
    for block in blocks:
        held.append(block)
        length += len(block)
        if length > limits.file_bytes:
            held.clear()
            raise _too_long(piece, limits)
    yield piece.source, b"".join(held)


def _too_long(piece: ByteRange, limits: Limits) -> RecordError:
    unpacked = " unpacked" if piece.compression else ""
    hint = "Cut it into smaller files, or read it as lines (Text(), Csv(), JsonLines())"
    return too_long(f"a whole file{unpacked}", limits.file_bytes, hint, place=piece.source)
