"""Keep the top pairs of a stream: the part of a result that a user sees first."""

from __future__ import annotations

import heapq
import math
from decimal import Decimal
from typing import Any


def weight(value: Any) -> float | Decimal:
    """Return the rank of a value: a number itself, the length of anything else, or 0."""
    return value if isinstance(value, int | float | Decimal) else length(value) or 0


def length(value: Any) -> int | None:
    """Return the length of a value, or None if it has none."""
    try:
        return len(value)
    except TypeError:
        return None


class TopPairs:
    """The `limit` top pairs of those offered; of equal ones, the earlier."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._heap: list[tuple[float | Decimal, int, Any, Any]] = []
        self._offered = 0

    @property
    def threshold(self) -> float | Decimal:
        """The rank that a pair must exceed to be kept."""
        if not self._limit:
            return math.inf
        return self._heap[0][0] if len(self._heap) == self._limit else -math.inf

    def offer(self, key: Any, value: Any, known: float | None = None) -> None:
        """Offer one more pair; `known` is its rank if the value was cut."""
        # descending, so that of equal ranks the heap drops the later pair first
        self._offered -= 1
        entry = (weight(value) if known is None else known, self._offered, key, value)
        if len(self._heap) < self._limit:
            heapq.heappush(self._heap, entry)
        elif self._heap and entry[0] > self._heap[0][0]:
            heapq.heapreplace(self._heap, entry)

    def pairs(self) -> list[tuple[Any, Any]]:
        """Return the kept pairs, top first."""
        return [
            (key, value)
            for _, _, key, value in sorted(self._heap, key=lambda entry: (-entry[0], -entry[1]))
        ]
