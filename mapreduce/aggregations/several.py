"""Several aggregations of a key at once: `reduce = {"n": Count(), "mean": Mean()}`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mapreduce.aggregate import Aggregation, NotAggregable


class Several(Aggregation[list[Any]]):
    """Aggregations by name; the result is a dict of the names, in their order.

    A job writes a dict in `reduce`. If `map` yields a dict as a value, each aggregation takes the
    entry of its name; else each takes the value itself. The state is the list of their states.
    """

    def __init__(self, by_name: Mapping[str, Aggregation[Any]]) -> None:
        self.by_name = dict(by_name)
        each = self.by_name.values()
        self.grows = any(one.grows for one in each)
        self.keeps_values = any(one.keeps_values for one in each)
        self.order_matters = any(one.order_matters for one in each)
        # of its own class each time: a subclass may have changed `merge`
        self.associative = all({**vars(type(one)), **vars(one)}.get("associative") for one in each)

    @staticmethod
    def takes(by_name: Mapping[Any, Any]) -> bool:
        """Return whether these are names and aggregations."""
        return all(
            type(name) is str and isinstance(each, Aggregation) and not isinstance(each, Several)
            for name, each in by_name.items()
        )

    def create(self, value: Any) -> list[Any]:
        return [
            self._done(name, one.create, given)
            for name, one, given in zip(
                self.by_name, self.by_name.values(), self._given(value), strict=True
            )
        ]

    def add(self, state: list[Any], value: Any) -> list[Any]:
        for at, (name, given) in enumerate(zip(self.by_name, self._given(value), strict=True)):
            state[at] = self._done(name, self.by_name[name].add, state[at], given)
        return state

    def merge(self, state: list[Any], other: list[Any]) -> list[Any]:
        return [
            self._done(name, self.by_name[name].merge, one, two)
            for name, one, two in zip(self.by_name, state, other, strict=True)
        ]

    def result(self, state: list[Any]) -> dict[str, Any]:
        return {
            name: self._done(name, one.result, each)
            for (name, one), each in zip(self.by_name.items(), state, strict=True)
        }

    def plain(self, values: list[Any]) -> dict[str, Any]:
        return {
            name: self._done(name, one.plain, [_entry(value, name) for value in values])
            for name, one in self.by_name.items()
        }

    def _given(self, value: Any) -> Iterator[Any]:
        return (_entry(value, name) for name in self.by_name)

    def _done(self, name: str, step: Any, *given: Any) -> Any:
        try:
            return step(*given)
        except NotAggregable as exc:
            raise NotAggregable(f"{exc} (in {name!r} of `reduce`)") from exc


def _entry(value: Any, name: str) -> Any:
    """Return what the aggregation of that name takes of a value."""
    if type(value) is not dict:
        return value
    if name not in value:
        raise NotAggregable(
            f"the dict {value!r:.100} has no entry for {name!r}; yield a dict with an entry for "
            "each name, or one value that every aggregation takes"
        )
    return value[name]
