"""Tools of the readers' tests: bytes as an object, its pieces, and their records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from mapreduce.formats.base import Reader, ReadRange, RecordBatch
from mapreduce.input_formats import Compression, Format
from mapreduce.wire.messages import ByteRange

SOURCE = "file:///input"


def ranges_of(content: bytes, block_bytes: int = 1 << 20) -> ReadRange:
    """Return a function that reads ranges of `content` in blocks."""

    def read(start: int, end: int) -> Iterator[bytes]:
        assert 0 <= start < end <= len(content)
        for at in range(start, end, block_bytes):
            yield content[at : min(at + block_bytes, end)]

    return read


def pieces_of(
    content: bytes,
    form: Format,
    cuts: Sequence[int] = (),
    *,
    compression: Compression | None = None,
) -> list[ByteRange]:
    """Return consecutive pieces that cover the content, cut at `cuts` modulo its size."""
    edges = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    return [
        ByteRange(
            url=SOURCE,
            etag="1",
            size=len(content),
            start=start,
            end=end,
            source=SOURCE,
            format=form,
            compression=compression,
        )
        for start, end in pairwise(edges)
    ]


def records_of(
    reader: Reader, pieces: Sequence[ByteRange], read: ReadRange
) -> list[tuple[Any, Any]]:
    """Return the records of all pieces; check that each byte of the object counts once."""
    records: list[tuple[Any, Any]] = []
    accounted = 0
    for piece in pieces:
        for batch in reader.batches(piece, read):
            assert accounted == batch.start
            accounted += batch.length
            records += batch.records
    assert (pieces[0].size if pieces else 0) == accounted
    return records


def batches_of(reader: Reader, piece: ByteRange, read: ReadRange) -> list[RecordBatch]:
    """Return the batches of one piece, before their records are read."""
    return list(reader.batches(piece, read))
