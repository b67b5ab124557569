"""Aggregations by rank or position: quantiles, the value with the greatest rank, first and last."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from itertools import chain
from operator import itemgetter
from typing import Any

from mapreduce.aggregate import (
    Aggregation,
    NotAggregable,
    check_number,
    ordered,
    refuse_mixture,
    rounded,
    unlike,
)
from mapreduce.encoding import NotCarriable, encode_key

_PENDING = 64
"""Values that a quantile's state holds uncounted at least."""


class First(Aggregation[Any]):
    """The first value of the key, in the order of the input."""

    associative = True
    order_matters = True

    def create(self, value: Any) -> Any:
        return value

    def add(self, state: Any, value: Any) -> Any:
        return state

    def merge(self, state: Any, other: Any) -> Any:
        return state

    def result(self, state: Any) -> Any:
        return state

    def plain(self, values: list[Any]) -> Any:
        return values[0]


class Last(First):
    """The last value of the key, in the order of the input."""

    associative = True

    def add(self, state: Any, value: Any) -> Any:
        return value

    def merge(self, state: Any, other: Any) -> Any:
        return other

    def plain(self, values: list[Any]) -> Any:
        return values[-1]


class ArgMax(Aggregation[list[Any]]):
    """The value with the greatest rank: `map` yields pairs `(rank, value)` as values.

    Of equal ranks, the first in the order of the input. The value may be of any type; ranks are
    what `Max` takes.
    """

    associative = True
    order_matters = True

    def create(self, value: Any) -> list[Any]:
        return self._pair(value)

    def add(self, state: list[Any], value: Any) -> list[Any]:
        return self.merge(state, self._pair(value))

    def merge(self, state: list[Any], other: list[Any]) -> list[Any]:
        try:
            return other if self._is_better(other[0], state[0]) else state
        except TypeError:
            refuse_mixture(self, state[0], other[0])

    def result(self, state: list[Any]) -> Any:
        return state[1]

    def plain(self, values: list[Any]) -> Any:
        pairs = [self._pair(value) for value in values]
        try:
            return self._best(pairs)[1]
        except TypeError:
            refuse_mixture(self, *unlike([rank for rank, _ in pairs]))

    def _is_better(self, rank: Any, than: Any) -> bool:
        return bool(rank > than)

    def _best(self, pairs: list[list[Any]]) -> list[Any]:
        return max(pairs, key=lambda pair: pair[0])

    def _pair(self, value: Any) -> list[Any]:
        if type(value) not in (tuple, list) or len(value) != 2:
            raise NotAggregable(
                f"{type(self).__name__} takes pairs (rank, value), not {type(value).__name__}: "
                f"{value!r}"[:300]
            )
        return [ordered(value[0], self), value[1]]


class ArgMin(ArgMax):
    """The value with the least rank, as `ArgMax`."""

    associative = True

    def _is_better(self, rank: Any, than: Any) -> bool:
        return bool(rank < than)

    def _best(self, pairs: list[list[Any]]) -> list[Any]:
        return min(pairs, key=lambda pair: pair[0])


class Quantiles(Aggregation[list[list[Any]]]):
    """Several quantiles of a key's values, as a list: `Quantiles(0.25, 0.5, 0.75)`; exact.

    A quantile lies between 0 (the least value) and 1 (the greatest), and is read as the decimal
    that is written. By default the values are numbers, and a quantile between two of them is
    interpolated, as numpy, pandas and spreadsheets do; the result is a float. With
    `interpolate=False` it is one of the values, the least that at least this share of them does not
    exceed (nearest rank), and the values may be strs, bytes or tuples as well.

    The state holds each distinct value with its number, so a key with very many distinct values
    takes as much memory in its reduce task: `ApproximateQuantile` does not.

    The state is `[pending, values, counts]`: values that are not counted yet, and distinct values
    with their counts.
    """

    grows = True

    def __init__(self, *quantiles: float, interpolate: bool = True) -> None:
        name = type(self).__name__
        if not quantiles:
            raise ValueError(f"{name} needs a quantile; write {name}(0.5) for the median")
        self.quantiles = tuple(_share(each, name) for each in quantiles)
        self.interpolate = interpolate

    def create(self, value: Any) -> list[list[Any]]:
        return [[self._checked(value)], [], []]

    def add(self, state: list[list[Any]], value: Any) -> list[list[Any]]:
        pending, values, _ = state
        checked = self._checked(value)
        try:
            # compared now, while the record is known
            checked < (pending[0] if pending else values[0])  # noqa: B015
        except TypeError:
            refuse_mixture(self, pending[0] if pending else values[0], value)
        pending.append(checked)
        # seldom: counting costs as much as there are values
        return state if len(pending) < max(_PENDING, len(values)) else _counted([state])

    def merge(self, state: list[list[Any]], other: list[list[Any]]) -> list[list[Any]]:
        return _counted([state, other])

    def result(self, state: list[list[Any]]) -> Any:
        _, values, counts = _counted([state])
        try:
            place = itemgetter(0) if _are_numbers([[values, [], []]]) else _place
            pairs = sorted(zip(values, counts, strict=True), key=place)
        except TypeError:
            refuse_mixture(self, *unlike(values))
        return [self._at(share, pairs, sum(counts)) for share in self.quantiles]

    def plain(self, values: list[Any]) -> Any:
        # of values that are equal as keys, as Decimal("1.0") and Decimal("1.00"), the first counts
        first: dict[bytes, Any] = {}
        checked = [self._checked(value) for value in values]
        checked = [first.setdefault(encode_key(value), value) for value in checked]
        try:
            inorder = sorted(checked, key=lambda value: (value, encode_key(value)))
        except TypeError:
            refuse_mixture(self, *unlike(checked))
        found = []
        for share in self.quantiles:
            if not self.interpolate:
                found.append(inorder[max(0, math.ceil(share * len(inorder)) - 1)])
                continue
            at = share * (len(inorder) - 1)
            below, above = inorder[math.floor(at)], inorder[math.ceil(at)]
            exact = Fraction(below) * (1 - at % 1) + Fraction(above) * (at % 1)
            found.append(rounded(exact, "the quantile"))
        return found

    def _at(self, share: Fraction, pairs: list[tuple[Any, int]], number: int) -> Any:
        if not self.interpolate:
            return _value_at(pairs, max(0, math.ceil(share * number) - 1))
        at = share * (number - 1)
        floor = math.floor(at)
        below = Fraction(_value_at(pairs, floor))
        if at == floor:
            return rounded(below, "the quantile")
        above = Fraction(_value_at(pairs, floor + 1))
        return rounded(below + (above - below) * (at - floor), "the quantile")

    def _checked(self, value: Any) -> Any:
        if self.interpolate and type(value) not in (int, float):
            check_number(value, type(self).__name__)
        ordered(value, self)
        try:
            encode_key(value)
        except NotCarriable as exc:
            raise NotAggregable(
                f"{type(self).__name__} needs values that a key supports, and {exc}"[:300]
            ) from None
        return value + 0.0 if type(value) is float else value  # -0.0 is 0.0


class Quantile(Quantiles):
    """A quantile of a key's values: `Quantile(0.5)` is the median, `Quantile(0.95)` the 95th
    percentile; exact. `interpolate` and the cost are those of `Quantiles`.
    """

    grows = True

    def __init__(self, quantile: float, *, interpolate: bool = True) -> None:
        super().__init__(quantile, interpolate=interpolate)

    def result(self, state: list[list[Any]]) -> Any:
        return super().result(state)[0]

    def plain(self, values: list[Any]) -> Any:
        return super().plain(values)[0]


def _share(quantile: Any, name: str) -> Fraction:
    """Return a quantile as the decimal that is written: 0.95 is 19/20."""
    if type(quantile) not in (int, float) or not 0 <= quantile <= 1:
        raise ValueError(f"a quantile lies between 0 and 1, not {quantile!r}; write {name}(0.95)")
    return Fraction(repr(quantile))


def _counted(states: list[list[list[Any]]]) -> list[list[Any]]:
    """Return one state with all values counted."""
    if _are_numbers(states):
        numbers: Counter[Any] = Counter()
        for pending, values, counts in states:
            for value, count in zip(values, counts, strict=True):
                numbers[value] += count
            numbers.update(pending)
        return [[], list(numbers), list(numbers.values())]
    found: dict[bytes, list[Any]] = {}
    for pending, values, counts in states:
        for value, count in [*zip(values, counts, strict=True), *((each, 1) for each in pending)]:
            found.setdefault(encode_key(value), [value, 0])[1] += count
    return [[], [value for value, _ in found.values()], [count for _, count in found.values()]]


def _are_numbers(states: list[list[list[Any]]]) -> bool:
    """Return whether all values are ints, or all are floats: equal ones are one key."""
    kinds = {type(value) for state in states for value in chain(state[0], state[1])}
    return len(kinds) == 1 and kinds <= {int, float}


def _place(pair: tuple[Any, int]) -> tuple[Any, bytes]:
    """Return the place of a value: equal ones, such as 1 and 1.0, in a fixed order."""
    return pair[0], encode_key(pair[0])


def _value_at(pairs: list[tuple[Any, int]], index: int) -> Any:
    for value, count in pairs:
        if index < count:
            return value
        index -= count
    raise AssertionError("the index lies within the values")
