"""Which server holds which parameters: contiguous ranges, fixed for a run."""

from __future__ import annotations

from itertools import pairwise


def ranges(parameters: int, servers: int) -> tuple[tuple[int, int], ...]:
    """Return each server's range [start, end); their lengths differ by one at most.

    Args:
        parameters: length of the vector.
        servers: number of ranges; with more servers than parameters the last ranges are empty.
    """
    length, longer = divmod(parameters, servers)
    starts = [number * length + min(number, longer) for number in range(servers + 1)]
    return tuple(pairwise(starts))
