"""Pairs are read with exact types, once each, for any cuts."""

from __future__ import annotations

import io
import itertools
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mapreduce.encoding import decode_key, encode_key, pack_value
from mapreduce.errors import CorruptBlock
from mapreduce.formats.base import ReadRange
from mapreduce.formats.frames import MAGIC, BlockWriter
from mapreduce.formats.pairs import PairsReader
from mapreduce.input_formats import Pairs
from mapreduce.wire.messages import ByteRange
from tests.unit.mapreduce.any_keys import keys, values


def stored(batches: list[list[tuple[Any, Any]]]) -> bytes:
    """Return pairs in frames, one for each list."""
    file = io.BytesIO()
    for batch in batches:
        BlockWriter(file).write([(encode_key(key), pack_value(value)) for key, value in batch])
    return file.getvalue()


def reader_of(data: bytes) -> ReadRange:
    """Return a function that reads ranges of bytes in small blocks."""
    return lambda start, end: (data[at : min(at + 7, end)] for at in range(start, end, 7))


def piece(size: int, start: int, end: int) -> ByteRange:
    """Return a range of an object of that size."""
    return ByteRange(
        url="file:///p",
        etag="e",
        size=size,
        start=start,
        end=end,
        source="file:///p",
        format=Pairs(),
    )


def read(data: bytes, edges: list[int]) -> tuple[list[tuple[Any, Any]], list[tuple[int, int]]]:
    """Return all pairs of the pieces between the edges, and the ranges that the batches cover."""
    found, accounted = [], []
    for start, end in itertools.pairwise(edges):
        for batch in PairsReader().batches(piece(len(data), start, end), reader_of(data)):
            found += list(batch.records)
            accounted.append((batch.start, batch.start + batch.length))
    return found, accounted


pair_lists = st.lists(st.lists(st.tuples(keys, values), min_size=1, max_size=4), max_size=5)


@given(pair_lists, st.lists(st.integers(0, 600), max_size=8))
@example([[("a", MAGIC * 3)], [(MAGIC, 1)]], list(range(0, 200, 3)))
def test_any_ranges_make_the_whole(batches: list[list[tuple[Any, Any]]], cuts: list[int]) -> None:
    """For any ranges every pair comes once, in order, with its type, and every byte counts once."""
    data = stored(batches)
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    found, accounted = read(data, edges)
    # -0.0 and 0.0 are one key
    assert repr(
        [(decode_key(encode_key(key)), value) for batch in batches for key, value in batch]
    ) == repr(found)
    assert [end for _, end in accounted[:-1]] == [start for start, _ in accounted[1:]]
    assert (0, len(data)) == ((accounted[0][0], accounted[-1][1]) if accounted else (0, 0))


def test_magic_bytes_inside_a_frame_are_not_one() -> None:
    """A range that starts in a frame finds the next real frame, though values look like frames."""
    inner = stored([[("inner", 1)]])
    data = stored([[("outer", inner), ("more", MAGIC)], [("next", 2)]])
    for start in range(1, len(data)):
        found, _ = read(data, [start, len(data)])
        assert found in ([("next", 2)], [])


@pytest.mark.parametrize("at", [0, 5, 13, 30])
def test_damage_is_seen(at: int) -> None:
    """A damaged frame is refused with the object's name."""
    data = bytearray(stored([[("k", "value")]]))
    data[at] ^= 1
    with pytest.raises(CorruptBlock, match="file:///p holds no whole frame at byte 0"):
        read(bytes(data), [0, len(data)])
