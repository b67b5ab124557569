"""Read the next ranges of an object while the earlier ones are in use (docs/decisions/0012)."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from itertools import islice
from queue import SimpleQueue
from typing import TypeAlias

Range: TypeAlias = tuple[int, int]
Coming: TypeAlias = "SimpleQueue[bytes | BaseException | None]"
"""The bytes of one range in pieces, then None, or the exception."""


def read_ahead(
    fetch: Callable[[int, int], Iterator[bytes]],
    ranges: Iterable[Range],
    ahead: int,
    pool: Executor,
) -> Iterator[bytes]:
    """Yield the bytes of the ranges, in order, in the pieces in which they arrive.

    While the pieces of one range are in use, up to `ahead` more ranges are in flight or have
    arrived: at most `ahead + 1` are held. An error is raised at the place of its range. If the
    reader stops early, ranges that have not begun are not fetched, and others are dropped at their
    next piece.

    Args:
        fetch: yields the bytes [start, end) in pieces; called by several threads at once.
        ranges: the ranges to fetch.
        ahead: how many to fetch ahead.
        pool: its threads fetch.
    """
    left = iter(ranges)
    coming: deque[Coming] = deque()
    stopped = threading.Event()
    try:
        while True:
            # the range in use counts as one of `ahead + 1`
            for start, end in islice(left, ahead + 1 - len(coming)):
                coming.append(SimpleQueue())
                pool.submit(_bring, fetch, start, end, coming[-1], stopped)
            if not coming:
                return
            yield from _pieces(coming.popleft())
    finally:
        stopped.set()


def _bring(
    fetch: Callable[[int, int], Iterator[bytes]],
    start: int,
    end: int,
    coming: Coming,
    stopped: threading.Event,
) -> None:
    """Put the pieces of a range into its queue as fast as they arrive, so that no request waits."""
    try:
        if stopped.is_set():
            return
        for piece in fetch(start, end):
            if stopped.is_set():
                return
            coming.put(piece)
        coming.put(None)
    except BaseException as exc:  # noqa: BLE001 - the reader raises it, in its thread
        coming.put(exc)


def _pieces(coming: Coming) -> Iterator[bytes]:
    while (piece := coming.get()) is not None:
        if isinstance(piece, BaseException):
            raise piece
        yield piece
