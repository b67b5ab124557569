"""Aggregations: reduces that are combined in the map task and merged without the user's code.

An aggregation folds values into a partial *state*, merges states, and turns the last state into a
result. Merging is associative and does not depend on the splits: integers are exact, and sums of
floats are kept as exact expansions (Shewchuk 1997, as in Python's `math.fsum`) and rounded once, at
the end.

`plain` defines each of them over all values at once, and shares no arithmetic with the rest.

`mapreduce.aggregations` has the others: variance, quantiles, what goes by rank or position, and
several aggregations at once.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar, Generic, NoReturn, TypeVar

from mapreduce.encoding import Descending, NotCarriable, decode_value, encode_key, encode_value

State = TypeVar("State")
Number = int | float

_EXPAND_AFTER = 32
_LARGE = 2.0**900
"""Floats from here on are integers and added as such; 2**64 smaller ones cannot overflow a float.
"""
_EXACT = 1 << 53
"""Integers up to here are floats without rounding."""


class NotAggregable(TypeError):
    """A value that an aggregation does not support, or a result beyond the range of float."""


class Aggregation(Generic[State]):
    """A reduce that the engine can combine.

    A subclass writes `create`, `add`, `merge` and `result`. A state must be a value that a record
    supports. `add` and `merge` may change their argument `state` and return it.
    """

    grows: bool = False
    """True if a state grows with its values, so that the map task must watch its memory."""

    associative: bool = False
    """True if `merge` gives the same state however the values are grouped, with their order kept. A
    subclass says it anew. Merged states are then kept for later runs."""

    keeps_values: bool = True
    """True if a state holds the values themselves, so that a record must support each of them."""

    order_matters: bool = False
    """True if the result depends on the order of the values, which is that of the input."""

    def create(self, value: Any) -> State:
        """Return the state of one value."""
        raise NotImplementedError(f"{type(self).__name__} has no `create`")

    def add(self, state: State, value: Any) -> State:
        """Return the state with one more value."""
        raise NotImplementedError(f"{type(self).__name__} has no `add`")

    def merge(self, state: State, other: State) -> State:
        """Return the merged state; `state` holds the earlier values."""
        raise NotImplementedError(f"{type(self).__name__} has no `merge`")

    def result(self, state: State) -> Any:
        """Return the result of a key's values."""
        raise NotImplementedError(f"{type(self).__name__} has no `result`")

    def plain(self, values: list[Any]) -> Any:
        """Return the result of all values at once, the reference for `verify` and `check`."""
        state = self.create(values[0])
        for value in values[1:]:
            state = self.add(state, value)
        return self.result(state)


class Sum(Aggregation[Any]):
    """The sum of int or float values; a sum of floats is exactly rounded.

    Tuples and lists of numbers are added element by element; all of a key must have one length.

    The state of numbers is an int while all values are, then a list `[total, part, part, ...]`: the
    total of the ints and of the floats from `_LARGE` on (which are integers), then the expansion of
    the other floats. The state of tuples is a tuple of states, that of lists `{"list": states}`.
    """

    associative = True
    keeps_values = False
    _said_as: str = ""
    """The aggregation that errors name, if not this one."""

    def create(self, value: Any) -> Any:
        # `type() is`, because a bool is an int too, and is refused by `_added`
        if type(value) is int:
            return value
        row = _row(value)
        return _added([0], value, self._name) if row is None else _of(row, map(self.create, row))

    def add(self, state: Any, value: Any) -> Any:
        if type(value) is int and type(state) is int:
            return state + value
        row, states = _row(value), _states(state)
        if row is not None or states is not None:
            if states is None or not _same_form(row, state, len(states)):
                self._refuse_unlike(self.result(state), value)
            return _of(row, map(self.add, states, row or ()))
        if type(value) is int:
            state[0] += value
            return state
        return _added([state] if type(state) is int else state, value, self._name)

    def merge(self, state: Any, other: Any) -> Any:
        states, others = _states(state), _states(other)
        if states is not None or others is not None:
            if states is None or others is None or not _same_form(state, other, len(states)):
                self._refuse_unlike(self.result(state), self.result(other))
            return _of(state, map(self.merge, states, others))
        if type(other) is int:
            return self.add(state, other)
        if type(state) is int:
            return [state + other[0], *other[1:]]
        # condensed at each merge, so that a state does not grow with the number of splits
        return [state[0] + other[0], *expansion(state[1:] + other[1:])]

    def result(self, state: Any) -> Any:
        return self._results(state, self._number)

    def plain(self, values: list[Any]) -> Any:
        if rows := [value for value in values if type(value) in (tuple, list)]:
            first = rows[0]
            for value in values:
                if type(value) is not type(first) or len(value) != len(first):
                    self._refuse_unlike(first, value)
            return type(first)(self.plain(list(column)) for column in zip(*values, strict=True))
        for value in values:
            check_number(value, self._name)
        if all(type(value) is int for value in values):
            return int(sum(values))
        # fractions, and not `result`: an error of the fast code must show in `verify`
        return rounded(sum(map(Fraction, values), Fraction(0)), "the sum")

    @property
    def _name(self) -> str:
        return self._said_as or type(self).__name__

    def _number(self, state: Any) -> Number:
        if type(state) is int:
            return state
        # the total is exact as a float, so fsum rounds only once; else compute with fractions
        if -_EXACT <= state[0] <= _EXACT:
            return math.fsum(state)
        return rounded(exact(state), "the sum")

    def _results(self, state: Any, number: Callable[[Any], Any]) -> Any:
        """Return a state with `number` of each number's state in it."""
        states = _states(state)
        if states is None:
            return number(state)
        found = (self._results(each, number) for each in states)
        return tuple(found) if type(state) is tuple else list(found)

    def _refuse_unlike(self, one: Any, other: Any) -> NoReturn:
        raise NotAggregable(
            f"{self._name} adds numbers, or tuples or lists of one length, element by element; it "
            f"cannot add {repr(other)[:80]} to {repr(one)[:80]}"
        )


class Count(Aggregation[int]):
    """The number of values, of any type."""

    associative = True
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


class _Extreme(Aggregation[Any]):
    """What `Min` and `Max` share: the state is the value kept so far."""

    _best: ClassVar[Callable[..., Any]]

    def create(self, value: Any) -> Any:
        return value if type(value) in _ORDERED else ordered(value, self)

    def merge(self, state: Any, other: Any) -> Any:
        return self.add(state, other)

    def result(self, state: Any) -> Any:
        return state

    def plain(self, values: list[Any]) -> Any:
        for value in values:
            ordered(value, self)
        try:
            return self._best(values)
        except TypeError:
            refuse_mixture(self, *unlike(values))


class Min(_Extreme):
    """The least value; the values must be comparable."""

    associative = True
    _best = staticmethod(min)

    def add(self, state: Any, value: Any) -> Any:
        try:
            return value if value < state else state
        except TypeError:
            refuse_mixture(self, state, value)


class Max(_Extreme):
    """The greatest value; the values must be comparable."""

    associative = True
    _best = staticmethod(max)

    def add(self, state: Any, value: Any) -> Any:
        try:
            return value if value > state else state
        except TypeError:
            refuse_mixture(self, state, value)


class Mean(Aggregation[list[Any]]):
    """The arithmetic mean of int or float values, a float: their exact sum, divided and rounded
    once. Of tuples and lists of numbers, the mean of each element.

    The state is `[count, state of Sum]`.
    """

    associative = True
    keeps_values = False
    _sum: ClassVar[Sum] = Sum()
    _sum._said_as = "Mean"

    def create(self, value: Any) -> list[Any]:
        return [1, self._sum.create(value)]

    def add(self, state: list[Any], value: Any) -> list[Any]:
        state[1] = self._sum.add(state[1], value)
        state[0] += 1
        return state

    def merge(self, state: list[Any], other: list[Any]) -> list[Any]:
        return [state[0] + other[0], self._sum.merge(state[1], other[1])]

    def result(self, state: list[Any]) -> Any:
        count, total = state

        def mean(total: Any) -> float:
            whole = Fraction(total) if type(total) is int else exact(total)
            return rounded(whole / count, "the mean")

        return self._sum._results(total, mean)

    def plain(self, values: list[Any]) -> Any:
        if any(type(value) in (tuple, list) for value in values):
            self._sum.plain(values)  # refuses values of different forms
            means = (self.plain(list(column)) for column in zip(*values, strict=True))
            return type(values[0])(means)
        for value in values:
            check_number(value, "Mean")
        return rounded(sum(map(Fraction, values), Fraction(0)) / len(values), "the mean")


class TopK(Aggregation[list[Any]]):
    """The `k` greatest values, greatest first (the least with `smallest=True`).

    Yield tuples such as `(count, name)` to rank by the first field and break ties by the next.
    """

    grows = True

    def __init__(self, k: int, *, smallest: bool = False) -> None:
        if type(k) is not int or k < 1:
            raise ValueError(f"TopK keeps at least one value, not {k!r}; write TopK(10)")
        self.k = k
        self.smallest = smallest

    def create(self, value: Any) -> list[Any]:
        return [value if type(value) in _ORDERED else ordered(value, self)]

    def add(self, state: list[Any], value: Any) -> list[Any]:
        try:
            # compare now, while the record is known, and not later when the state is cut
            value < state[0]  # noqa: B015
        except TypeError:
            refuse_mixture(self, state[0], value)
        state.append(value)
        # cut only when the state is several times too long: a cut per value would sort each time
        return state if len(state) < 4 * self.k + 16 else self._best(state)

    def merge(self, state: list[Any], other: list[Any]) -> list[Any]:
        return self._best(state + other)

    def result(self, state: list[Any]) -> list[Any]:
        return self._best(state)

    def plain(self, values: list[Any]) -> list[Any]:
        for value in values:
            ordered(value, self)
        try:
            return sorted(values, reverse=not self.smallest)[: self.k]
        except TypeError:
            refuse_mixture(self, *unlike(values))

    def _best(self, values: list[Any]) -> list[Any]:
        try:
            best = heapq.nsmallest if self.smallest else heapq.nlargest
            return best(self.k, values)
        except TypeError:
            refuse_mixture(self, *unlike(values))


class CollectList(Aggregation[list[Any]]):
    """All values of the key, in the order of the input."""

    grows = True
    order_matters = True

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
    """The distinct values of the key, sorted; a value must be one that a key supports.

    The state may hold a value twice; duplicates are removed whenever its length has doubled.
    """

    grows = True

    def create(self, value: Any) -> list[Any]:
        if type(value) not in _PLAIN_KEYS:
            self._check(value)
        return [value]

    def add(self, state: list[Any], value: Any) -> list[Any]:
        # a cheap test that catches an immediate repetition of one object
        if state[-1] is value:
            return state
        if type(value) not in _PLAIN_KEYS:
            self._check(value)
        state.append(value)
        # at each power of two: the cost of removing duplicates is amortised over the values since
        # the last time
        length = len(state)
        return _distinct(state) if length >= 64 and length & (length - 1) == 0 else state

    def merge(self, state: list[Any], other: list[Any]) -> list[Any]:
        return _distinct(state + other)

    def result(self, state: list[Any]) -> list[Any]:
        return _distinct(state)

    def plain(self, values: list[Any]) -> list[Any]:
        for value in values:
            self._check(value)
        kept: dict[bytes, Any] = {encode_key(value): value for value in values}
        return [kept[key] for key in sorted(kept)]

    def _check(self, value: Any) -> None:
        try:
            encode_key(value)
        except NotCarriable as exc:
            raise NotAggregable(
                f"CollectSet needs values that a key supports, and {exc!s}"[:_LIMIT]
            ) from None


def _row(value: Any) -> Any:
    """Return a tuple or list as it is, an array as a list, and None for anything else."""
    if type(value) in (tuple, list):
        return value
    if type(value) is not float and hasattr(value, "dtype") and hasattr(value, "tolist"):
        listed = decode_value(encode_value(value))  # as a record would hold it, or refused
        return listed if type(listed) is list else None
    return None


def _states(state: Any) -> Any:
    """Return the states in the state of a tuple or list; None for the state of a number."""
    if type(state) is tuple:
        return state
    return state["list"] if type(state) is dict else None


def _same_form(one: Any, other: Any, length: int) -> bool:
    """Return whether a row, or the state of one, has the form of a state of `length` states."""
    items = one["list"] if type(one) is dict else one
    if items is None or (type(one) is tuple) != (type(other) is tuple):
        return False
    there = other["list"] if type(other) is dict else other
    return len(items) == length == len(there)


def _of(form: Any, states: Iterable[Any]) -> Any:
    """Return the state that holds these states: of a tuple if `form` is one, else of a list."""
    return tuple(states) if type(form) is tuple else {"list": list(states)}


def expansion(numbers: Iterable[float]) -> list[float]:
    """Return a few floats with the exact sum of `numbers`, each of which is below `_LARGE`.

    Each is the rounded remainder after the ones before it.
    """
    rest = list(numbers)
    parts: list[float] = []
    while (part := math.fsum(rest)) != 0.0:
        parts.append(part)
        # subtract exactly what the part has covered
        rest.append(-part)
    return parts


def exact(state: Iterable[Number]) -> Fraction:
    """Return the exact total of a state of `Sum`."""
    return sum(map(Fraction, state), Fraction(0))


def _added(state: list[Any], value: Any, who: str) -> list[Any]:
    """Add a float to a state of `Sum` in list form."""
    check_number(value, who)
    if -_LARGE < value < _LARGE:
        state.append(value)
        # seldom, because fsum reads the whole state
        if len(state) > _EXPAND_AFTER:
            state[1:] = expansion(state[1:])
    else:
        # exact: a float of this size has no fraction
        state[0] += int(value)
    return state


def rounded(total: Fraction, what: str) -> float:
    """Return the nearest float.

    Raises:
        NotAggregable: it is beyond the range of float.
    """
    try:
        return float(total)
    except OverflowError:
        raise NotAggregable(
            f"{what} is beyond the largest float, 1.8e308; yield ints, or smaller numbers "
            "(a scaled unit, a logarithm)"
        ) from None


def check_number(value: Any, who: str) -> None:
    """Refuse a value that is not a finite int or float.

    Raises:
        NotAggregable: names the aggregation `who`, and what to write.
    """
    if type(value) is float:
        if not math.isfinite(value):
            raise NotAggregable(
                f"{who} cannot add {value!r}; skip the record (`if math.isfinite(value)`)"
            )
    elif type(value) is not int:
        hint = {
            "str": "; write float(value)",
            "bool": "; write int(value)",
            "NoneType": "; skip the record",
            "Decimal": "; write ints of the smallest unit, as cents: int(value * 100)",
        }
        kind = type(value).__name__
        raise NotAggregable(
            f"{who} adds int or float values, not {kind}: {value!r}{hint.get(kind, '')}"[:_LIMIT]
        )


def ordered(value: Any, who: Aggregation[Any]) -> Any:
    """Return a value that is comparable with others of its type.

    Raises:
        NotAggregable: it is not.
    """
    if type(value) not in _ORDERED:
        if type(value) not in (tuple, list):
            raise NotAggregable(
                f"{type(who).__name__} compares values, and {type(value).__name__} "
                f"has no order: {value!r}"[:_LIMIT]
            )
        for item in value:
            # None and dict are allowed: an earlier item may decide the comparison
            if item is not None and type(item) is not dict:
                ordered(item, who)
    return value


def unlike(values: list[Any]) -> tuple[Any, Any]:
    """Return two of the values that are not comparable."""
    for value in values:
        try:
            value < values[0]  # noqa: B015
        except TypeError:
            return values[0], value
    return values[0], values[-1]


def refuse_mixture(who: Aggregation[Any], one: Any, other: Any) -> NoReturn:
    """Raise `NotAggregable` for two values of a key that do not compare."""
    kinds = f"{type(one).__name__} {one!r}"[:60], f"{type(other).__name__} {other!r}"[:60]
    raise NotAggregable(
        f"{type(who).__name__} compares the values of a key, and {kinds[0]} does not compare with "
        f"{kinds[1]}; yield values of one type"
    ) from None


def _distinct(values: list[Any]) -> list[Any]:
    kept: dict[bytes, Any] = {encode_key(value): value for value in values}
    return [kept[key] for key in sorted(kept)]


_LIMIT = 300
_ORDERED = frozenset((int, float, str, bytes, bool, Decimal, date, datetime, time, Descending))
_PLAIN_KEYS = frozenset((str, bytes, bool))
