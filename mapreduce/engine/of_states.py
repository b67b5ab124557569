"""An aggregation whose values are the states of another: what a map over columns collects."""

from __future__ import annotations

from typing import Any

from mapreduce.aggregate import Aggregation


class OfStates(Aggregation[Any]):
    """Merges the states of an aggregation.

    Args:
        aggregation: whose states are the values.
    """

    keeps_values = False

    def __init__(self, aggregation: Aggregation[Any]) -> None:
        self._aggregation = aggregation
        self.grows = aggregation.grows
        self.associative = aggregation.associative

    def create(self, value: Any) -> Any:
        """Return the state as it is."""
        return value

    def add(self, state: Any, value: Any) -> Any:
        """Return the merged state."""
        return self._aggregation.merge(state, value)

    def merge(self, state: Any, other: Any) -> Any:
        """Return the merged state."""
        return self._aggregation.merge(state, other)

    def result(self, state: Any) -> Any:
        """Return the result of a state."""
        return self._aggregation.result(state)
