"""Records of a fixed length are read once for any cuts, and another size is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce.errors import RecordError
from mapreduce.formats.fixed import FixedReader
from mapreduce.formats.limits import Limits
from mapreduce.input_formats import FixedLength
from tests.unit.mapreduce.formats.pieces import SOURCE, pieces_of, ranges_of, records_of
from tests.unit.mapreduce.formats.test_compression import PACK


@given(st.integers(1, 9), st.binary(max_size=20), st.lists(st.integers(0, 999)), st.integers(1, 9))
def test_any_cut(length: int, some: bytes, places: list[int], block_bytes: int) -> None:
    """Each record comes once, with its number."""
    content = some * length
    form = FixedLength(length=length)
    expected = [(n, content[n * length : (n + 1) * length]) for n in range(len(some))]
    pieces = pieces_of(content, form, places)
    assert expected == records_of(FixedReader(form), pieces, ranges_of(content, block_bytes))


def test_compressed() -> None:
    """A compressed file is read unpacked."""
    form = FixedLength(length=3)
    packed = PACK["zstd"](b"abcdef")
    pieces = pieces_of(packed, form, compression="zstd")
    assert [(0, b"abc"), (1, b"def")] == records_of(FixedReader(form), pieces, ranges_of(packed))


@pytest.mark.parametrize("packed", [False, True])
def test_another_size_is_refused(packed: bool) -> None:
    """A file whose size is no multiple of the length is refused with what is left over."""
    form = FixedLength(length=3)
    content = PACK["gzip"](b"abcde") if packed else b"abcde"
    pieces = pieces_of(content, form, compression="gzip" if packed else None)
    with pytest.raises(RecordError, match="5 bytes, which is no multiple of 3.* 2 bytes long"):
        records_of(FixedReader(form), pieces, ranges_of(content))


def test_a_length_beyond_the_memory() -> None:
    """A record that a task cannot hold is refused before it is read."""
    form = FixedLength(length=2 << 20)
    with pytest.raises(RecordError, match="a record is longer than 1 MiB") as caught:
        records_of(FixedReader(form, Limits(8 << 20)), pieces_of(b"x", form), ranges_of(b"x"))
    assert caught.value.place == SOURCE
