"""Aggregations: the reduces that are combined in the mapper and merged without the user's code.

An aggregation folds values into a partial *state*, merges states, and turns the last one into a result. Merging is
associative, and does not depend on where the splits fall: integers are exact, and sums of floats are kept as exact
expansions (Shewchuk 1997, as in Python's `math.fsum`) and rounded once, at the end.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from typing import Any, ClassVar, Generic, Literal, TypeVar

from mapreduce.encoding import encode_key

State = TypeVar("State")
Number = int | float
SqlAggregate = Literal["sum", "min", "max"]

_EXPAND_AFTER = 32


class Aggregation(Generic[State]):
    """A reduce that the engine knows how to combine.

    A state must be a value that a record can carry. `add` may change and return the state it is given.
    """

    sql: ClassVar[SqlAggregate | None] = None
    """How DuckDB merges states that are 64-bit integers; None when only Python can."""
    grows: ClassVar[bool] = False
    """True when a state grows with its values, so that the mapper must watch its memory."""

    keeps_values: ClassVar[bool] = True
    """True when a state holds the values themselves, so that each must be one that a record can carry."""

    def create(self, value: Any) -> State:
        """The state of one value."""
        raise NotImplementedError

    def add(self, state: State, value: Any) -> State:
        """The state with one value more."""
        raise NotImplementedError

    def merge(self, state: State, other: State) -> State:
        """The state of both; `state` holds the earlier values."""
        raise NotImplementedError

    def result(self, state: State) -> Any:
        """What the key's values come to."""
        raise NotImplementedError

    def plain(self, values: list[Any]) -> Any:
        """The definition, over all values at once: the answer that `verify` holds the others against."""
        raise NotImplementedError


class Sum(Aggregation[Any]):
    """The sum of int or float values; of floats the exactly rounded one.

    The state is an int as long as all values are, then a list `[total of the ints, part, part, ...]`.
    """

    sql = "sum"
    keeps_values = False

    def create(self, value: Any) -> Any:
        return value if type(value) is int else [0, _number(value, "Sum")]

    def add(self, state: Any, value: Any) -> Any:
        if type(value) is int:
            if type(state) is int:
                return state + value
            state[0] += value
            return state
        if type(state) is int:
            return [state, _number(value, "Sum")]
        state.append(_number(value, "Sum"))
        if len(state) > _EXPAND_AFTER:
            state[1:] = expansion(state[1:])
        return state

    def merge(self, state: Any, other: Any) -> Any:
        if type(other) is int:
            return self.add(state, other)
        if type(state) is int:
            return [state + other[0], *other[1:]]
        return [state[0] + other[0], *expansion(state[1:] + other[1:])]

    def result(self, state: Any) -> Number:
        total: Number = state if type(state) is int else math.fsum([*state[1:], state[0]])
        return total

    def plain(self, values: list[Any]) -> Number:
        if all(type(value) is int for value in values):
            return int(sum(values))
        whole = sum(value for value in values if type(value) is int)
        return math.fsum([*(value for value in values if type(value) is float), whole])


class Count(Aggregation[int]):
    """How many values there are, whatever they are."""

    sql = "sum"
    keeps_values = False

    def create(self, value: Any) -> int:
        return 1

    def add(self, state: int, value: Any) -> int:
        return state + 1

    def merge(self, state: int, other: int) -> int:
        return state + other

    def result(self, state: int) -> int:
        return state

    def plain(self, values: list[Any]) -> int:
        return len(values)


class Min(Aggregation[Any]):
    """The least value; the values must compare with each other."""

    sql = "min"

    def create(self, value: Any) -> Any:
        return value

    def add(self, state: Any, value: Any) -> Any:
        return value if value < state else state

    def merge(self, state: Any, other: Any) -> Any:
        return other if other < state else state

    def result(self, state: Any) -> Any:
        return state

    def plain(self, values: list[Any]) -> Any:
        return min(values)


class Max(Aggregation[Any]):
    """The greatest value; the values must compare with each other."""

    sql = "max"

    def create(self, value: Any) -> Any:
        return value

    def add(self, state: Any, value: Any) -> Any:
        return value if value > state else state

    def merge(self, state: Any, other: Any) -> Any:
        return other if other > state else state

    def result(self, state: Any) -> Any:
        return state

    def plain(self, values: list[Any]) -> Any:
        return max(values)


class Mean(Aggregation[list[Any]]):
    """The arithmetic mean of int or float values, as a float: their exact sum, divided once.

    The state is `[count, state of Sum]`.
    """

    keeps_values = False
    _sum: ClassVar[Sum] = Sum()

    def create(self, value: Any) -> list[Any]:
        return [1, self._sum.create(value)]

    def add(self, state: list[Any], value: Any) -> list[Any]:
        state[0] += 1
        state[1] = self._sum.add(state[1], value)
        return state

    def merge(self, state: list[Any], other: list[Any]) -> list[Any]:
        return [state[0] + other[0], self._sum.merge(state[1], other[1])]

    def result(self, state: list[Any]) -> float:
        return self._sum.result(state[1]) / state[0]  # type: ignore[no-any-return]

    def plain(self, values: list[Any]) -> float:
        return self._sum.plain(values) / len(values)


class TopK(Aggregation[list[Any]]):
    """The `k` greatest values, greatest first (the least with `smallest=True`).

    Yield tuples such as `(count, name)` to rank by the first field and break ties by the next.
    """

    grows = True

    def __init__(self, k: int, *, smallest: bool = False) -> None:
        if k < 1:
            raise ValueError(f"TopK keeps at least one value, not {k}")
        self.k = k
        self.smallest = smallest

    def create(self, value: Any) -> list[Any]:
        return [value]

    def add(self, state: list[Any], value: Any) -> list[Any]:
        state.append(value)
        return state if len(state) < 4 * self.k + 16 else self._best(state)

    def merge(self, state: list[Any], other: list[Any]) -> list[Any]:
        return self._best(state + other)

    def result(self, state: list[Any]) -> list[Any]:
        return self._best(state)

    def plain(self, values: list[Any]) -> list[Any]:
        return sorted(values, reverse=not self.smallest)[: self.k]

    def _best(self, values: list[Any]) -> list[Any]:
        return heapq.nsmallest(self.k, values) if self.smallest else heapq.nlargest(self.k, values)


class CollectList(Aggregation[list[Any]]):
    """All values of the key, in the order of the input."""

    grows = True

    def create(self, value: Any) -> list[Any]:
        return [value]

    def add(self, state: list[Any], value: Any) -> list[Any]:
        state.append(value)
        return state

    def merge(self, state: list[Any], other: list[Any]) -> list[Any]:
        state += other
        return state

    def result(self, state: list[Any]) -> list[Any]:
        return state

    def plain(self, values: list[Any]) -> list[Any]:
        return values


class CollectSet(Aggregation[list[Any]]):
    """The distinct values of the key, sorted; a value must be one that a key can be.

    The state may hold a value twice; it is made distinct whenever it has doubled.
    """

    grows = True

    def create(self, value: Any) -> list[Any]:
        return [value]

    def add(self, state: list[Any], value: Any) -> list[Any]:
        if state[-1] is value:
            return state
        state.append(value)
        # a length that is a power of two: each doubling is paid for by the values that came since the last one
        return _distinct(state) if len(state) & (len(state) - 1) == 0 and len(state) >= 64 else state

    def merge(self, state: list[Any], other: list[Any]) -> list[Any]:
        return _distinct(state + other)

    def result(self, state: list[Any]) -> list[Any]:
        return _distinct(state)

    def plain(self, values: list[Any]) -> list[Any]:
        kept: dict[bytes, Any] = {encode_key(value): value for value in values}
        return [kept[key] for key in sorted(kept)]


def expansion(numbers: Iterable[float]) -> list[float]:
    """Few floats whose exact sum is the exact sum of all `numbers` (each is the rounded rest of the ones before).

    Raises:
        OverflowError: the sum is beyond what a float can hold.
    """
    rest = list(numbers)
    parts: list[float] = []
    while (part := math.fsum(rest)) != 0.0:
        parts.append(part)
        rest.append(-part)
    return parts


def _number(value: Any, who: str) -> float:
    if type(value) is not float:
        raise TypeError(f"{who} adds int or float values, not {type(value).__name__}: {value!r}"[:200])
    if not math.isfinite(value):
        raise ValueError(f"{who} cannot add {value!r}: yield None, or skip the record")
    return value


def _distinct(values: list[Any]) -> list[Any]:
    return CollectSet.plain(_SET, values)


_SET = CollectSet()
