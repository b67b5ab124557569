"""Ranges are fetched ahead of their reader: so many at once, in order, and never more than are
wanted.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from mapreduce.errors import InputChanged
from mapreduce.storage.read_ahead import read_ahead

DATA = bytes(range(100))
RANGES = list(pairwise(range(0, 101, 10)))
PATIENCE_S = 30


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """As many threads as anybody wants."""
    with ThreadPoolExecutor(16) as executor:
        yield executor


class _Fetching:
    """Gives ranges of `DATA` in pieces, and remembers which were begun."""

    def __init__(self) -> None:
        self.begun: list[int] = []

    def __call__(self, start: int, end: int) -> Iterator[bytes]:
        self.begun.append(start)
        for at in range(start, end, 3):
            yield DATA[at : min(at + 3, end)]


@pytest.mark.parametrize("ahead", [0, 1, 3, 50])
def test_the_ranges_come_in_order(pool: ThreadPoolExecutor, ahead: int) -> None:
    """Whichever is there first, the reader gets them side by side."""
    assert b"".join(read_ahead(_Fetching(), RANGES, ahead, pool)) == DATA


def test_several_ranges_are_in_flight_at_once(pool: ThreadPoolExecutor) -> None:
    """With three ahead, four requests are under way together: each of them waits here for the
    others.
    """
    together = threading.Barrier(4)

    def fetch(start: int, end: int) -> Iterator[bytes]:
        if start < 40:
            together.wait(PATIENCE_S)
        yield DATA[start:end]

    assert b"".join(read_ahead(fetch, RANGES, 3, pool)) == DATA


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_no_more_is_fetched_than_may_be_held(pool: ThreadPoolExecutor, ahead: int) -> None:
    """While a range is being used there are at most `ahead` others, whatever the length of the
    object.
    """
    fetching = _Fetching()
    used = 0
    for piece in read_ahead(fetching, RANGES, ahead, pool):
        assert len(fetching.begun) <= used // 10 + 1 + ahead
        used += len(piece)
    assert used == len(DATA)


def test_nothing_is_fetched_before_it_is_asked_for(pool: ThreadPoolExecutor) -> None:
    """A stream that nobody reads costs no request."""
    fetching = _Fetching()
    read_ahead(fetching, RANGES, 3, pool)
    assert fetching.begun == []


def test_the_first_piece_is_there_before_its_range_is(pool: ThreadPoolExecutor) -> None:
    """Computing begins with the first bytes, while the rest of the range is still on its way."""
    used = threading.Event()

    def fetch(start: int, end: int) -> Iterator[bytes]:
        yield DATA[start : start + 1]
        assert used.wait(PATIENCE_S)
        yield DATA[start + 1 : end]

    pieces = read_ahead(fetch, RANGES, 1, pool)
    assert next(pieces) == DATA[:1]
    used.set()
    assert b"".join(pieces) == DATA[1:]


def test_an_error_comes_in_its_place(pool: ThreadPoolExecutor) -> None:
    """What lies before a range that cannot be had is given first, though all were asked for
    together.
    """

    def fetch(start: int, end: int) -> Iterator[bytes]:
        if start >= 20:
            raise InputChanged(f"at {start}")
        yield DATA[start:end]

    blocks = read_ahead(fetch, RANGES, 3, pool)
    assert [next(blocks), next(blocks)] == [DATA[:10], DATA[10:20]]
    with pytest.raises(InputChanged, match="at 20"):
        next(blocks)


def test_a_reader_that_stops_early_wants_no_more() -> None:
    """What has not begun is never fetched, what has ends at its next piece, and the thread is free
    again.
    """
    left = threading.Event()

    def fetch(start: int, end: int) -> Iterator[bytes]:
        for piece in fetching(start, end):
            yield piece
            if start:
                assert left.wait(PATIENCE_S)
                given.append(piece)

    fetching, given = _Fetching(), list[bytes]()
    with ThreadPoolExecutor(1) as one_thread:
        blocks = read_ahead(fetch, RANGES, 3, one_thread)
        next(blocks)
        blocks.close()  # type: ignore[attr-defined]
        left.set()
        assert b"".join(read_ahead(_Fetching(), RANGES, 1, one_thread)) == DATA
    assert len(fetching.begun) <= 2
    assert len(given) <= 1
