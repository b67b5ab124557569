"""Reads the ranges of an object while its reader is busy with those before; docs/decisions/0012 says why so."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice


def read_ahead(
    fetch: Callable[[int, int], bytes], ranges: Iterable[tuple[int, int]], ahead: int, pool: Executor
) -> Iterator[bytes]:
    """The bytes of the ranges, in their order; an error comes in the place of the range that it befell.

    While one block is being used, `ahead` more are on their way or have come; with those that are just changing hands
    there are never more than `ahead + 2`. When the reader stops early, what has not begun is not fetched, and what has
    is dropped when it comes.

    Args:
        fetch: gets the bytes [start, end); several threads call it at once.
        ranges: to get.
        ahead: 0 fetches each range when it is asked for, in the reader's own thread.
        pool: its threads fetch.
    """
    left = iter(ranges)
    if not ahead:
        for start, end in left:
            yield fetch(start, end)
        return
    coming: deque[Future[bytes]] = deque()
    try:
        while True:
            coming.extend(pool.submit(fetch, start, end) for start, end in islice(left, ahead + 1 - len(coming)))
            if not coming:
                return
            yield coming.popleft().result()
    finally:
        for each in coming:
            each.cancel()
