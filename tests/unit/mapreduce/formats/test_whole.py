"""A whole file is one record."""

from __future__ import annotations

import gzip

import pytest

from mapreduce.errors import RecordError
from mapreduce.formats.limits import Limits
from mapreduce.formats.whole import WholeFileReader
from mapreduce.input_formats import WholeFile
from mapreduce.wire.messages import ByteRange
from tests.unit.mapreduce.formats.pieces import SOURCE, batches_of, pieces_of, ranges_of, records_of


@pytest.mark.parametrize("content", [b"a", b"a\nb\n\xff\x00", bytes(3 << 20)])
def test_content(content: bytes) -> None:
    """The record has all bytes, and the URL as its key."""
    assert [(SOURCE, content)] == records_of(
        WholeFileReader(), pieces_of(content, WholeFile()), ranges_of(content, 1 << 20)
    )


def test_no_byte() -> None:
    """An empty file is a record, and nothing is read."""
    piece = ByteRange(
        url=SOURCE, etag="1", size=0, start=0, end=0, source=SOURCE, format=WholeFile()
    )
    assert [(SOURCE, b"")] == records_of(WholeFileReader(), [piece], ranges_of(b""))


def test_unpacked() -> None:
    """A compressed file is unpacked, and counts with its compressed bytes."""
    content = gzip.compress(b"text") + gzip.compress(b" and more")
    pieces = pieces_of(content, WholeFile(), compression="gzip")
    assert [(SOURCE, b"text and more")] == records_of(
        WholeFileReader(), pieces, ranges_of(content, 7)
    )
    with pytest.raises(RecordError, match="ends early"):
        records_of(WholeFileReader(), pieces, lambda start, end: iter([content[: end - 1]]))


def test_a_part_is_refused() -> None:
    """A piece that is not the whole file raises ValueError."""
    with pytest.raises(ValueError, match="not the whole file"):
        batches_of(WholeFileReader(), pieces_of(b"abc", WholeFile(), [1])[0], ranges_of(b"abc"))


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_longer_than_the_limit(packed: bool) -> None:
    """A file longer than the limit is refused, before a read or, if compressed, at the limit."""
    content = bytes((2 << 20) + 1)
    content = gzip.compress(content) if packed else content
    pieces = pieces_of(content, WholeFile(), compression="gzip" if packed else None)
    fits = WholeFileReader(Limits(9 << 20))
    assert (2 << 20) + 1 == len(records_of(fits, pieces, ranges_of(content, 1 << 16))[0][1])
    with pytest.raises(
        RecordError, match=r"a whole file.* is longer than 2 MiB.*--task-memory"
    ) as caught:
        records_of(WholeFileReader(Limits(8 << 20)), pieces, ranges_of(content, 1 << 16))
    assert SOURCE == caught.value.place
