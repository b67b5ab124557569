"""Which positions of separated values are inside quotes."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from mapreduce.formats.quoted_rows import Marks
from mapreduce.formats.quotes import quotes_before, states_before
from tests.unit.mapreduce.formats.pieces import ranges_of

cuts = st.lists(st.integers(0, 1 << 30), max_size=15)


@given(st.binary(max_size=60).map(lambda raw: raw.replace(b"\x00", b'"')), cuts, st.integers(1, 20))
def test_quotes_before(content: bytes, places: list[int], block_bytes: int) -> None:
    """One pass finds, for each position, whether the number of quotes before it is odd."""
    positions = sorted(place % (len(content) + 1) for place in places)
    asked: list[tuple[int, int]] = []

    def ranges(start: int, end: int) -> Iterator[bytes]:
        asked.append((start, end))
        return ranges_of(content, block_bytes)(start, end)

    expected = [content[:position].count(b'"') % 2 == 1 for position in positions]
    assert expected == [quoted for quoted, _ in states_before(positions, ranges)]
    assert [(0, last) for last in positions[-1:] if last] == asked


@given(
    st.binary(max_size=60).map(lambda raw: raw.replace(b"\x00", b'"')),
    cuts,
    st.integers(1, 20),
    st.integers(1, 4),
    st.integers(0, 30),
)
def test_quotes_counted_by_threads(
    content: bytes, places: list[int], block_bytes: int, threads: int, top: int
) -> None:
    """Several threads find the same counts, and read each byte once, by whole blocks."""
    positions = sorted(place % (len(content) + 1) for place in places)
    asked: list[tuple[int, int]] = []

    def ranges(start: int, end: int) -> Iterator[bytes]:
        asked.append((start, end))
        return ranges_of(content, 7)(start, end)

    expected = [content[top : max(top, position)].count(b'"') for position in positions]
    found = quotes_before(positions, ranges, b'"', top, threads=threads, block_bytes=block_bytes)
    assert expected == found
    asked.sort()
    assert all((start - top) % block_bytes == 0 for start, _ in asked)
    read = [place for start, end in asked for place in range(start, end)]
    assert list(range(top, max([top, *positions]))) == read
    assert len(asked) <= threads


def test_nothing_is_read_without_quotes() -> None:
    """Where no byte is a quote, no position is inside quotes, whatever the bytes are."""
    states = states_before([3, 9], ranges_of(b""), Marks(quote=None))
    assert [(False, False), (False, False)] == list(states)
