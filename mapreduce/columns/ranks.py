"""The greatest values and the quantiles of a key in SQL, which gathers the values of a group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from mapreduce.aggregate import TopK
from mapreduce.aggregations.ranks import Quantiles
from mapreduce.columns.kinds import FLOATS, INTEGERS, PACKED_INTEGERS, Kind
from mapreduce.columns.plan import Plan, first, in_order_sql

_MOST = 100
"""Of the greatest values; the database makes space for so many of each key at once."""


def top_plan(aggregation: TopK, value: str, kind: Kind) -> Plan | None:
    """Return how states of `TopK` are made; None for many values, or other types than numbers."""
    if aggregation.k > _MOST or kind.id not in INTEGERS | FLOATS:
        return None
    name = "min" if aggregation.smallest else "max"
    selected = (f"{name}({value}, {aggregation.k})",)
    return Plan(selected, (name,), in_order_sql(value, kind), first, None, numbers=False)


def quantiles_plan(aggregation: Quantiles, value: str, kind: Kind) -> Plan | None:
    """Return how states of `Quantiles` are made; None for other types than numbers."""
    if kind.id not in INTEGERS | FLOATS:
        return None
    layout = "r" if kind.id in FLOATS else "q" if kind.id in PACKED_INTEGERS else None
    return Plan((f"list({value})",), ("list",), in_order_sql(value, kind), _states, layout)


def _states(found: Sequence[Sequence[Any]]) -> list[Any]:
    return [_state(values) for values in found[0]]


def _state(values: list[Any]) -> list[list[Any]]:
    """Return a state, with the values counted if that makes it shorter."""
    distinct = Counter(values)
    if 2 * len(distinct) > len(values):
        return [values, [], []]
    return [[], list(distinct), list(distinct.values())]
