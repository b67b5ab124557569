"""Aggregations in SQL: from the values of a key to the state that the engine merges.

Each state is equal to the one that `create` and `add` make of the same values. Where SQL may differ
(NULL, NaN, a float that the exact sum cannot hold), the group says so, and the values are added one
by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mapreduce.aggregate import Aggregation, Count, Max, Mean, Min, Sum
from mapreduce.aggregations.several import Several
from mapreduce.columns.kinds import INTEGERS, PACKED_INTEGERS, Kind, field_sql, fields_of

_FLOATS = frozenset(("float", "double"))
_ORDERED = INTEGERS | {"varchar", "blob", "date", "hugeint", "uhugeint"}
KEYS = _ORDERED | {"boolean"}
"""Types whose values are one key where SQL says that they are equal."""
_HIGH, _LOW = 20, 60
"""A float is held as two integers: its multiple of 2**-20, and the rest's of 2**-80."""
_LARGEST = 1 << 42
_MOST = 15
"""Items of a list in a layout."""
_UNITS = 1 << (_HIGH + _LOW)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a state is made in SQL.

    Attributes:
        selected: the expressions of a group.
        merged: for each of them the function that makes one of the values of several groups.
        sound: a condition on a record; where it is false for one, the values are added one by one.
        states: makes the states of some keys from the values of each expression.
        layout: how the native collector makes a state of the values: "i" an integer, "d" a float,
            "f" the sum of floats that two integers hold, "x" nothing of a value, "[" and "]" a
            list; None: it cannot.
        numbers: the states are numbers, which every collector takes.
    """

    selected: tuple[str, ...]
    merged: tuple[str, ...]
    sound: str
    states: Callable[[Sequence[Sequence[Any]]], list[Any]]
    layout: str | None
    numbers: bool = True


def has_plan(aggregation: Aggregation[Any] | None) -> bool:
    """Return whether SQL can make the states of an aggregation, for some types of values."""
    if type(aggregation) is Several:
        return all(map(has_plan, aggregation.by_name.values()))
    return type(aggregation) in (Sum, Count, Min, Max, Mean)


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
            return Plan(("count(*)", f"count({value})"), ("sum", "sum"), "true", _first, "ix")
        case Sum() if type(aggregation) is Sum and integer:
            return Plan((f"sum({value})",), ("sum",), f"{value} IS NOT NULL", _first, "i")
        case Sum() if type(aggregation) is Sum and number:
            selected, sound = _exact_sum(value)
            return Plan(selected, ("sum", "sum"), sound, _float_states, "f")
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
                f"[i{total.layout}]",
            )
        case Min() | Max() if type(aggregation) in (Min, Max) and (number or kind.id in _ORDERED):
            name = "min" if type(aggregation) is Min else "max"
            sound = f"{value} IS NOT NULL"
            if number:  # -0.0 equals 0.0, and the first of them stays; no pair holds the others
                negative_zero = f"{value} = 0 AND signbit({value})"
                sound = f"coalesce(isfinite({value}) AND NOT ({negative_zero}), false)"
            layout = "d" if number else "i" if kind.id in PACKED_INTEGERS else None
            return Plan(
                (f"{name}({value})",), (name,), sound, _first, layout, numbers=integer or number
            )
    return None


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
        _list_of([plan.layout for plan in plans]),
        all(plan.numbers for plan in plans),
    )


def _list_of(layouts: list[str | None]) -> str | None:
    known = [layout for layout in layouts if layout is not None]
    return f"[{''.join(known)}]" if len(known) == len(layouts) <= _MOST else None


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
