"""Blocks of whole rows: their least length changes neither the rows nor the errors."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mapreduce.errors import RecordError
from mapreduce.formats.limits import RECORD_LEAST_BYTES, Limits
from mapreduce.formats.quoted_rows import RowRange, owned_rows
from tests.unit.mapreduce.formats.pieces import ranges_of

rows = st.lists(
    st.sampled_from([b"", b"a,b", b'"x\ny",z', b"long,long,long", b'"\n\n\n"', b'"",""']),
    max_size=30,
).map(lambda rows: b"\n".join(rows))
long_rows = st.lists(
    st.sampled_from([10, RECORD_LEAST_BYTES - 1, RECORD_LEAST_BYTES + 9]), max_size=4
).map(lambda lengths: b"\n".join(b"x" * length for length in lengths))


def blocks(
    content: bytes, start: int, end: int, read_bytes: int, block_bytes: int
) -> tuple[list[tuple[int, bytes]], str]:
    """Return the blocks of a range, and the error that ended them."""
    quoted = content[:start].count(b'"') % 2 == 1
    found: list[tuple[int, bytes]] = []
    try:
        found += owned_rows(
            ranges_of(content, read_bytes),
            RowRange(start, end, len(content), quoted),
            "here",
            limits=Limits(1),
            block_bytes=block_bytes,
        )
    except RecordError as exc:
        return found, str(exc)
    return found, ""


@given(rows, st.integers(0, 99), st.integers(0, 99), st.integers(1, 9), st.integers(1, 40))
def test_longer_blocks(content: bytes, start: int, end: int, read_bytes: int, least: int) -> None:
    """Blocks of a least length, but for the last, hold the rows of the range side by side."""
    start, end = sorted((start % (len(content) + 1), end % (len(content) + 1)))
    expected, _ = blocks(content, start, end, read_bytes, 0)
    found, _ = blocks(content, start, end, read_bytes, least)
    assert b"".join(data for _, data in expected) == b"".join(data for _, data in found)
    assert all(len(data) >= least for _, data in found[:-1])
    assert all(data.endswith(b"\n") for _, data in found[:-1])
    for position, data in found:
        assert content[position : position + len(data)] == data


@given(long_rows, st.integers(0, 1 << 30), st.integers(100, 3000), st.integers(1, 5000))
def test_a_long_row_in_longer_blocks(
    content: bytes, start: int, read_kib: int, least_kib: int
) -> None:
    """A row that is too long has the same error, with its place and its first bytes."""
    start %= len(content) + 1
    _, expected = blocks(content, start, len(content), read_kib << 10, 0)
    _, error = blocks(content, start, len(content), read_kib << 10, least_kib << 10)
    assert expected == error
