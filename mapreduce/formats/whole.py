"""Whole files: each is one record."""

from __future__ import annotations

from collections.abc import Iterator

from mapreduce.formats.base import Batch, ReadRange
from mapreduce.formats.compression import decompressed
from mapreduce.formats.undecoded import Undecoded
from mapreduce.messages import Piece


class WholeFileReader:
    """Files as (URL, content), unpacked where they are compressed; one of no byte is a record too.

    Its pieces are always whole objects. Arguments and errors are those of the `Reader` protocol.
    """

    undecoded = Undecoded()

    def batches(self, piece: Piece, read: ReadRange) -> Iterator[Batch]:
        """One batch of one record."""
        if (piece.start, piece.end) != (0, piece.size):
            raise ValueError(f"bytes {piece.start} to {piece.end} of {piece.source} are not the whole file")
        yield Batch(0, piece.size, _record(piece, read))


def _record(piece: Piece, read: ReadRange) -> Iterator[tuple[str, bytes]]:
    blocks = read(0, piece.size) if piece.size else iter(())
    if piece.compression is not None:
        blocks = decompressed(blocks, piece.compression, piece.source)
    yield piece.source, b"".join(blocks)
