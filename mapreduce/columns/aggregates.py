"""Aggregations in SQL: from the values of a key to the state that the engine merges.

Each state has the result of the one that `create` and `add` make of the same values. Where SQL may
differ (NULL, NaN, a float that the exact sum cannot hold), the group says so, and the values are
added one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mapreduce.aggregate import Aggregation, Count, Max, Mean, Min, Sum, TopK
from mapreduce.aggregations.correlation import Correlation
from mapreduce.aggregations.ranks import Quantile, Quantiles
from mapreduce.aggregations.several import Several
from mapreduce.aggregations.spread import StandardDeviation, Variance
from mapreduce.columns.kinds import (
    FLOATS,
    INTEGERS,
    PACKED_INTEGERS,
    Kind,
    are_all,
    field_sql,
    fields_of,
    type_name,
)
from mapreduce.columns.moments import correlation_plan, variance_plan
from mapreduce.columns.plan import HIGH_BITS, LOW_BITS, Plan, first, halves, in_order_sql
from mapreduce.columns.ranks import quantiles_plan, top_plan

_ORDERED = INTEGERS | {"varchar", "blob", "date", "hugeint", "uhugeint"}
KEYS = _ORDERED | {"boolean"}
"""Types whose values are one key where SQL says that they are equal."""
_MOST = 15
"""Items of a list in a layout."""
_OTHERS: dict[type[Aggregation[Any]], Callable[[Any, str, Kind], Plan | None]] = {
    Variance: variance_plan,
    StandardDeviation: variance_plan,
    Correlation: correlation_plan,
    TopK: top_plan,
    Quantile: quantiles_plan,
    Quantiles: quantiles_plan,
}
_UNITS = 1 << (HIGH_BITS + LOW_BITS)


def has_plan(aggregation: Aggregation[Any] | None) -> bool:
    """Return whether SQL can make the states of an aggregation, for some types of values."""
    if type(aggregation) is Several:
        return all(map(has_plan, aggregation.by_name.values()))
    return type(aggregation) in (Sum, Count, Min, Max, Mean, *_OTHERS)


def plan_of(aggregation: Aggregation[Any], value: str, kind: Kind) -> Plan | None:
    """Return how the states are made; None where SQL cannot make them.

    Args:
        aggregation: the reduce.
        value: the SQL of a value.
        kind: its type.
    """
    if type(aggregation) is Several:
        return _several(aggregation, value, kind)
    integer, number = kind.id in INTEGERS, kind.id in FLOATS
    match aggregation:
        case Count() if type(aggregation) is Count:
            # the value is computed too: an error of its expression must not depend on the reduce
            return Plan(("count(*)", f"count({value})"), ("sum", "sum"), "true", first, "ix")
        case Sum() if type(aggregation) is Sum and integer:
            return Plan((f"sum({value})",), ("sum",), f"{value} IS NOT NULL", first, "i")
        case Sum() if type(aggregation) is Sum and number:
            high, low, sound = halves(value)
            selected = f"coalesce(sum({high}), 0)", f"coalesce(sum({low}), 0)"
            return Plan(selected, ("high", "low"), sound, _float_states, "f")
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
        case Min() | Max() if type(aggregation) in (Min, Max) and (
            number or type_name(kind) in _ORDERED
        ):
            name = "min" if type(aggregation) is Min else "max"
            sound = in_order_sql(value, kind)
            layout = "d" if number else "i" if kind.id in PACKED_INTEGERS else None
            return Plan(
                (f"{name}({value})",), (name,), sound, first, layout, numbers=integer or number
            )
        case _ if type(aggregation) in _OTHERS:
            return _OTHERS[type(aggregation)](aggregation, value, kind)
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
    if fields is not None and several.keeps_values:
        # a record must support all of the value, also a field that is only counted
        supported = [_supported_sql(field_sql(value, name), each) for name, each in fields.items()]
        conditions += filter(None, supported)
        if None in supported:
            return None
    return Plan(
        tuple(each for plan in plans for each in plan.selected),
        tuple(each for plan in plans for each in plan.merged),
        " AND ".join(f"({each})" for each in dict.fromkeys(conditions)),
        states,
        _list_of([plan.layout for plan in plans]),
        all(plan.numbers for plan in plans),
    )


def _supported_sql(value: str, kind: Kind) -> str | None:
    """Return the SQL of whether a record supports a value; None where that is not known."""
    if kind.id in FLOATS:
        return f"coalesce(isfinite({value}), true)"
    return "true" if are_all(kind, KEYS) else None


def _list_of(layouts: list[str | None]) -> str | None:
    known = [layout for layout in layouts if layout is not None]
    return f"[{''.join(known)}]" if len(known) == len(layouts) <= _MOST else None


def _float_states(found: Sequence[Sequence[Any]]) -> list[Any]:
    return [_float_state(int(high), int(low)) for high, low in zip(*found, strict=True)]


def _float_state(high: int, low: int) -> list[Any]:
    state: list[Any] = [0]
    rest = (high << LOW_BITS) + low
    # each is the rounded remainder after the ones before it, as in `aggregate.expansion`; a rounded
    # multiple of the unit is a multiple of it, so that nothing is lost
    while rest:
        part = rest / _UNITS
        state.append(part)
        rest -= int(part * _UNITS)
    return state
