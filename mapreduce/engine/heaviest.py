"""The heaviest pairs of a stream: what the user sees of a result first."""

from __future__ import annotations

import heapq
import math
from typing import Any


def weight(value: Any) -> float:
    """How heavy a value is: a number weighs itself, whatever has a length weighs that, anything else nothing."""
    return value if isinstance(value, int | float) else length(value) or 0


def length(value: Any) -> int | None:
    """How long a value is; None of what has no length."""
    try:
        return len(value)
    except TypeError:
        return None


class Heaviest:
    """Keeps the `limit` heaviest of the pairs offered to it; of equal ones, those that came first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._heap: list[tuple[float, int, Any, Any]] = []
        self._offered = 0

    @property
    def threshold(self) -> float:
        """The weight that a pair must be above to be kept."""
        if not self._limit:
            return math.inf
        return self._heap[0][0] if len(self._heap) == self._limit else -math.inf

    def offer(self, key: Any, value: Any, known: float | None = None) -> None:
        """One more pair; `known` is its weight where the value was cut."""
        self._offered -= 1
        entry = (weight(value) if known is None else known, self._offered, key, value)
        if len(self._heap) < self._limit:
            heapq.heappush(self._heap, entry)
        elif self._heap and entry[0] > self._heap[0][0]:
            heapq.heapreplace(self._heap, entry)

    def pairs(self) -> list[tuple[Any, Any]]:
        """The pairs kept, heaviest first."""
        return [
            (key, value)
            for _, _, key, value in sorted(self._heap, key=lambda entry: (-entry[0], -entry[1]))
        ]
