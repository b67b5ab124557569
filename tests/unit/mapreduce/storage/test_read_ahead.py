"""Ranges are read ahead: several at once, in order, and never more than `ahead`."""

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
    """A pool with many threads."""
    with ThreadPoolExecutor(16) as executor:
        yield executor


class _Fetching:
    """Yields ranges of `DATA` in pieces, and records which were begun."""

    def __init__(self) -> None:
        self.begun: list[int] = []

    def __call__(self, start: int, end: int) -> Iterator[bytes]:
        self.begun.append(start)
        for at in range(start, end, 3):
            yield DATA[at : min(at + 3, end)]


@pytest.mark.parametrize("ahead", [0, 1, 3, 50])
def test_the_ranges_come_in_order(pool: ThreadPoolExecutor, ahead: int) -> None:
    """The reader gets the ranges in order, whichever arrives first."""
    assert b"".join(read_ahead(_Fetching(), RANGES, ahead, pool)) == DATA


def test_several_ranges_are_in_flight_at_once(pool: ThreadPoolExecutor) -> None:
    """With `ahead=3` four ranges are in flight: each waits for the others."""
    together = threading.Barrier(4)

    def fetch(start: int, end: int) -> Iterator[bytes]:
        if start < 40:
            together.wait(PATIENCE_S)
        yield DATA[start:end]

    assert b"".join(read_ahead(fetch, RANGES, 3, pool)) == DATA


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_no_more_than_ahead_ranges_are_fetched(pool: ThreadPoolExecutor, ahead: int) -> None:
    """While a range is used at most `ahead` others are fetched."""
    fetching = _Fetching()
    used = 0
    for piece in read_ahead(fetching, RANGES, ahead, pool):
        assert len(fetching.begun) <= used // 10 + 1 + ahead
        used += len(piece)
    assert used == len(DATA)


def test_nothing_is_fetched_before_it_is_asked_for(pool: ThreadPoolExecutor) -> None:
    """A stream that is not read makes no request."""
    fetching = _Fetching()
    read_ahead(fetching, RANGES, 3, pool)
    assert fetching.begun == []


def test_the_first_piece_is_there_before_its_range_is(pool: ThreadPoolExecutor) -> None:
    """The first bytes of a range are yielded before its end has arrived."""
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
    """The ranges before a failing one are yielded first, although all were requested together."""

    def fetch(start: int, end: int) -> Iterator[bytes]:
        if start >= 20:
            raise InputChanged(f"at {start}")
        yield DATA[start:end]

    blocks = read_ahead(fetch, RANGES, 3, pool)
    assert [next(blocks), next(blocks)] == [DATA[:10], DATA[10:20]]
    with pytest.raises(InputChanged, match="at 20"):
        next(blocks)


def test_a_reader_that_stops_early_wants_no_more() -> None:
    """After the reader stops, no range begins, running ones end at their next piece, and the thread
    is free.
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
