"""Reads the ranges of an object while its reader is busy with those before; docs/decisions/0012 says why so."""

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
"""What comes of one range: its bytes in pieces, and at the end None, or what went wrong."""


def read_ahead(
    fetch: Callable[[int, int], Iterator[bytes]],
    ranges: Iterable[Range],
    ahead: int,
    pool: Executor,
) -> Iterator[bytes]:
    """The bytes of the ranges, in their order, in the pieces in which they come.

    While the pieces of one range are being used, `ahead` more are on their way or have come: at most `ahead + 1` are
    held. An error comes in the place of the range that it befell. When the reader stops early, what has not begun is
    not fetched, and what has is dropped at its next piece.

    Args:
        fetch: gets the bytes [start, end) in pieces; several threads call it at once.
        ranges: to get.
        ahead: how many.
        pool: its threads fetch.
    """
    left = iter(ranges)
    coming: deque[Coming] = deque()
    stopped = threading.Event()
    try:
        while True:
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
    """Puts what comes of a range into its queue; as fast as it comes, so that no request waits for the reader."""
    try:
        if stopped.is_set():
            return
        for piece in fetch(start, end):
            if stopped.is_set():
                return
            coming.put(piece)
        coming.put(None)
    except BaseException as exc:  # noqa: BLE001 - the reader raises it, in its own thread
        coming.put(exc)


def _pieces(coming: Coming) -> Iterator[bytes]:
    while (piece := coming.get()) is not None:
        if isinstance(piece, BaseException):
            raise piece
        yield piece
