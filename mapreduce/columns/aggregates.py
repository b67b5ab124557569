"""Aggregations in SQL: from the values of a key to the state that the engine merges.

Each state is equal to the one that `create` and `add` make of the same values. Where SQL may differ
(NULL, NaN, a float that the exact sum cannot hold), the group says so, and the values are added one
by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mapreduce.aggregate import Aggregation, Count, Max, Mean, Min, Sum, TopK
from mapreduce.aggregations.several import Several
from mapreduce.aggregations.spread import StandardDeviation, Variance
from mapreduce.columns.kinds import INTEGERS, Kind, field_sql, fields_of

_FLOATS = frozenset(("float", "double"))
_ORDERED = INTEGERS | {"varchar", "blob", "date", "hugeint", "uhugeint"}
KEYS = _ORDERED | {"boolean"}
"""Types whose values are one key where SQL says that they are equal."""
_HIGH, _LOW = 20, 60
"""A float is held as two integers: its multiple of 2**-20, and the rest's of 2**-80."""
_LARGEST = 1 << 42
_UNITS = 1 << (_HIGH + _LOW)
_MOST_TOP = 100
"""The database makes space for so many values of each key at once."""
_ROOT = 1 << 40
"""The sum of squares of 2**46 integers up to it fits 127 bits."""
_ONE = ""
"""In place of the function of a value that stays in no database, as it is no number."""
# not Quantile: the maps of distinct values are beyond the memory that the database counts
_KNOWN = (Sum, Count, Min, Max, Mean, TopK, Variance, StandardDeviation)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a state is made in SQL.

    Attributes:
        selected: the expressions of a group.
        merged: for each of them the function that makes one of the values of several groups.
        sound: a condition on a record; where it is false for one, the values are added one by one.
        states: makes the states of some keys from the values of each expression.
        numbers: the states are numbers, which every collector takes.
    """

    selected: tuple[str, ...]
    merged: tuple[str, ...]
    sound: str
    states: Callable[[Sequence[Sequence[Any]]], list[Any]]
    numbers: bool = True


def has_plan(aggregation: Aggregation[Any] | None) -> bool:
    """Return whether SQL can make the states of an aggregation, for some types of values."""
    if type(aggregation) is Several:
        return all(map(has_plan, aggregation.by_name.values()))
    return type(aggregation) in _KNOWN


def plan_of(aggregation: Aggregation[Any], value: str, kind: Kind) -> Plan | None:
    """Return how the states are made; None where SQL cannot make them.

    Args:
        aggregation: the reduce.
        value: the SQL of a value.
        kind: its type.
    """
    if type(aggregation) is Several:
        return _several(aggregation, value, kind)
    integer, number = kind.id in INTEGERS, kind.id in _FLOATS
    match aggregation:
        case Count() if type(aggregation) is Count:
            # the value is computed too: an error of its expression must not depend on the reduce
            return Plan(("count(*)", f"count({value})"), ("sum", "sum"), "true", _first)
        case Sum() if type(aggregation) is Sum and integer:
            return Plan((f"sum({value})",), ("sum",), f"{value} IS NOT NULL", _first)
        case Sum() if type(aggregation) is Sum and number:
            selected, sound = _exact_sum(value)
            return Plan(selected, ("sum", "sum"), sound, _float_states)
        case Mean() if type(aggregation) is Mean and (integer or number):
            total = plan_of(Sum(), value, kind)
            assert total is not None
            return Plan(
                ("count(*)", *total.selected),
                ("sum", *total.merged),
                total.sound,
                lambda found: [
                    [count, state]
                    for count, state in zip(found[0], total.states(found[1:]), strict=True)
                ],
            )
        case Min() | Max() if type(aggregation) in (Min, Max) and (number or kind.id in _ORDERED):
            name, sound = "min" if type(aggregation) is Min else "max", _ordered_sql(value, kind)
            return Plan((f"{name}({value})",), (name,), sound, _first, numbers=integer or number)
        case TopK() if type(aggregation) is TopK and (number or kind.id in _ORDERED):
            return _top(aggregation, value, kind)
        case Variance() if type(aggregation) in (Variance, StandardDeviation) and integer:
            return _variance(value)
    return None


def _ordered_sql(value: str, kind: Kind) -> str:
    """Return the SQL of whether values are ordered as in Python, and one of those that are equal
    stands for the others.
    """
    if kind.id not in _FLOATS:
        return f"{value} IS NOT NULL"
    # -0.0 equals 0.0, and the first of them stays; no pair holds the others
    negative_zero = f"{value} = 0 AND signbit({value})"
    return f"coalesce(isfinite({value}) AND NOT ({negative_zero}), false)"


def _top(aggregation: TopK, value: str, kind: Kind) -> Plan | None:
    if aggregation.k > _MOST_TOP:
        return None
    name = "min" if aggregation.smallest else "max"
    selected = (f"{name}({value}, {aggregation.k})",)
    return Plan(selected, (_ONE,), _ordered_sql(value, kind), _first, numbers=False)


def _variance(value: str) -> Plan:
    """Return how the sums of integers and of their squares are made; of a large one there is no
    square in 128 bits.
    """
    small = f"coalesce({value} BETWEEN -{_ROOT} AND {_ROOT}, false)"
    square = f"CASE WHEN {small} THEN {value}::HUGEINT * {value}::HUGEINT ELSE 0 END"
    return Plan(
        ("count(*)", f"coalesce(sum({value}), 0)", f"sum({square})"),
        ("sum", "sum", "sum"),
        small,
        lambda found: [
            [int(count), 0, int(total), int(squares)]
            for count, total, squares in zip(*found, strict=True)
        ],
        numbers=False,
    )


def _several(several: Several, value: str, kind: Kind) -> Plan | None:
    fields = fields_of(kind)
    plans = []
    for name, aggregation in several.by_name.items():
        if fields is None:
            plan = plan_of(aggregation, value, kind)
        elif name in fields:
            plan = plan_of(aggregation, field_sql(value, name), fields[name])
        else:
            return None
        if plan is None:
            return None
        plans.append(plan)

    def states(found: Sequence[Sequence[Any]]) -> list[Any]:
        of_each, at = [], 0
        for plan in plans:
            of_each.append(plan.states(found[at : at + len(plan.selected)]))
            at += len(plan.selected)
        return [list(of_key) for of_key in zip(*of_each, strict=True)]

    conditions = [plan.sound for plan in plans]
    if fields is not None:
        conditions.append(f"{value} IS NOT NULL")
    return Plan(
        tuple(each for plan in plans for each in plan.selected),
        tuple(each for plan in plans for each in plan.merged),
        " AND ".join(f"({each})" for each in dict.fromkeys(conditions)),
        states,
        all(plan.numbers for plan in plans),
    )


def _exact_sum(value: str) -> tuple[tuple[str, str], str]:
    """Return the SQL of an exact sum of floats as integers, and where it holds a value.

    Multiplication with a power of two, `trunc` and the difference to it round nothing.
    """
    scaled = f"(CAST({value} AS DOUBLE) * {float(1 << _HIGH)!r}::DOUBLE)"
    rest = f"(({scaled} - trunc({scaled})) * {float(1 << _LOW)!r}::DOUBLE)"
    sound = f"coalesce(abs({value}) < {_LARGEST} AND trunc({rest}) = {rest}, false)"
    # a record that is not held makes the whole group void: any number stands for it
    whole, low = (f"TRY_CAST(trunc({each}) AS BIGINT)" for each in (scaled, rest))
    return (f"coalesce(sum({whole}), 0)", f"coalesce(sum({low}), 0)"), sound


def _first(found: Sequence[Sequence[Any]]) -> list[Any]:
    return list(found[0])


def _float_states(found: Sequence[Sequence[Any]]) -> list[Any]:
    return [_float_state(int(high), int(low)) for high, low in zip(*found, strict=True)]


def _float_state(high: int, low: int) -> list[Any]:
    state: list[Any] = [0]
    rest = (high << _LOW) + low
    # each is the rounded remainder after the ones before it, as in `aggregate.expansion`; a rounded
    # multiple of the unit is a multiple of it, so that nothing is lost
    while rest:
        part = rest / _UNITS
        state.append(part)
        rest -= int(part * _UNITS)
    return state
