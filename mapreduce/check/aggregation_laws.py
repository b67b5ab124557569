"""The laws of an aggregation, tested on values: the answer does not depend on splits and merges."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mapreduce.aggregate import Aggregation
from mapreduce.encoding import NotCarriable, decode_value, encode_value
from mapreduce.errors import UsageError

TRIES = 200
"""Random splits of the values, and random orders of merging them."""
_MUST = ("create", "add", "merge", "result")


class AggregationLawBroken(AssertionError):
    """An aggregation breaks a law; the message has the values for which it does."""


def check_aggregation(
    aggregation: Aggregation[Any], values: Iterable[Any], *, seed: int = 0
) -> None:
    """Check that an aggregation gives one answer however its values are split and merged.

    A state must come through a record unchanged, and a result must be one that a record supports.
    If the class says `associative`, the merged states must be the same too; unless it says
    `order_matters`, the order of the values must not matter.

    Args:
        aggregation: an instance.
        values: values of one key; a dozen with the special cases that you know are best.
        seed: of the random splits.

    Raises:
        AggregationLawBroken: a law is broken; the message says which, and for which values.
        UsageError: it is not an aggregation, or there are no values.
    """
    _check_arguments(aggregation)
    given = list(values)
    if not given:
        raise UsageError("check_aggregation() needs values: check_aggregation(MyOwn(), [1, 2, 3])")
    chance = random.Random(seed)
    # few values first: a breach is then shown with few
    for size in range(1, len(given) + 1):
        for _ in range(max(1, TRIES // len(given))):
            start = chance.randrange(len(given) - size + 1)
            _check(aggregation, given[start : start + size], chance)


def _check_arguments(aggregation: object) -> None:
    if isinstance(aggregation, type) or not isinstance(aggregation, Aggregation):
        raise UsageError(f"{aggregation!r} is not an instance of an aggregation; write MyOwn()")
    kind = type(aggregation)
    missing = [name for name in _MUST if getattr(kind, name) is getattr(Aggregation, name)]
    if missing:
        raise UsageError(f"{kind.__name__} has no `{'`, `'.join(missing)}`; write it")


def _check(aggregation: Aggregation[Any], values: list[Any], chance: random.Random) -> None:
    def plain() -> Any:
        return aggregation.plain(_copied(values))

    expected = _comparable(plain())
    one = _state(aggregation, values)
    _same(aggregation, values, "add after add", expected, aggregation.result(_carried(one)))
    cuts = sorted(chance.sample(range(1, len(values)), chance.randrange(len(values))))
    pieces = [
        values[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(values)], strict=True)
    ]
    trees: tuple[tuple[str, Callable[[list[Any]], int]], ...] = (
        ("merged from the left", lambda _: 0),
        ("merged from the right", lambda states: len(states) - 2),
        ("merged in any order", lambda states: chance.randrange(len(states) - 1)),
    )
    states = []
    for name, at in trees:
        states.append(_merged(aggregation, pieces, at))
        way = f"split into {pieces!r:.200} and {name}"
        _same(aggregation, values, way, expected, aggregation.result(_carried(states[-1])))
    said = {**vars(type(aggregation)), **vars(aggregation)}
    if said.get("associative") and any(each != states[0] for each in states):
        _broken(aggregation, values, "`associative`: the merged states differ", states[0], states)
    if not aggregation.order_matters:
        mixed = chance.sample(values, len(values))
        found = aggregation.result(_state(aggregation, mixed))
        way = f"in the order {mixed!r:.200} (say `order_matters = True` if it may)"
        _same(aggregation, values, way, expected, found)


def _merged(
    aggregation: Aggregation[Any], pieces: Sequence[list[Any]], at: Callable[[list[Any]], int]
) -> Any:
    states = [_carried(_state(aggregation, piece)) for piece in pieces]
    while len(states) > 1:
        place = at(states)
        merged = aggregation.merge(states[place], states[place + 1])
        states[place : place + 2] = [_carried(merged)]
    return states[0]


def _state(aggregation: Aggregation[Any], values: Sequence[Any]) -> Any:
    first, *others = _copied(values)
    state = aggregation.create(first)
    for value in others:
        state = aggregation.add(state, value)
    return state


def _copied(values: Sequence[Any]) -> list[Any]:
    """Return the values as a record gives them: a state may change what it holds."""
    return [_carried(value) for value in values]


def _carried(value: Any) -> Any:
    try:
        return decode_value(encode_value(value))
    except NotCarriable as exc:
        raise AggregationLawBroken(f"a value, state or result cannot be encoded: {exc}") from exc


def _comparable(result: Any) -> Any:
    """Return a result in the form in which two are compared: 1 and 1.0 differ."""
    return repr(_carried(result)).replace("-0.0", "0.0")


def _same(aggregation: Aggregation[Any], values: list[Any], way: str, plain: str, got: Any) -> None:
    if plain != _comparable(got):
        _broken(aggregation, values, way, plain, got)


def _broken(
    aggregation: Aggregation[Any], values: list[Any], way: str, expected: object, found: object
) -> None:
    raise AggregationLawBroken(
        f"{type(aggregation).__name__} of {values!r:.300} is {expected!s:.200}, and {way} it is "
        f"{found!r:.200}"
    )
