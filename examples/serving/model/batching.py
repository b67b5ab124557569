"""How many rows the next batch has: what waits, up to a limit that follows the latency.

Pure. A batch never waits for more requests: with one caller it has one request, and a request that
arrives while a batch runs is in the next one. The limit grows by a few rows while full batches stay
within the latency, and shrinks by a tenth when one does not (additive increase, multiplicative
decrease).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SizePolicy:
    """The limit on the rows of a batch.

    Attributes:
        latency_s: the longest that a batch should take.
        first: the limit before anything is known.
        largest: the limit's own limit; 1 is a server that does not batch.
        step: rows by which it grows.
        kept: the share that is left of it when a batch was too slow.
    """

    latency_s: float
    first: int = 8
    largest: int = 1024
    step: int = 2
    kept: float = 0.9

    @property
    def start(self) -> int:
        """The limit of the first batch."""
        return min(self.first, self.largest)

    def after(self, limit: int, rows: int, took_s: float) -> int:
        """Return the limit after a batch.

        Args:
            limit: the limit until now.
            rows: the rows of the batch.
            took_s: how long the model took.
        """
        if took_s > self.latency_s:
            # by a tenth only: a pause of the machine must not undo a minute's growth
            return max(1, min(limit - 1, int(limit * self.kept)))
        # only a full batch shows that the limit holds anything back
        return min(self.largest, limit + self.step) if rows >= limit else limit


def batch_length(waiting: Iterable[tuple[Hashable, int]], limit: int) -> int:
    """Return how many of the first waiting requests form the next batch.

    Args:
        waiting: kind and rows of each request, oldest first. Only requests of one kind (the same
            shapes but for the rows) can be one batch.
        limit: the most rows, but for a single request that has more.

    Returns:
        At least 1, unless none waits.
    """
    length = total = 0
    first: Hashable = None
    for kind, rows in waiting:
        if length and (kind != first or total + rows > limit):
            break
        first = kind
        length += 1
        total += rows
    return length
