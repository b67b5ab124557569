"""Variance, standard deviation and correlation in SQL: exact sums of products of integers.

A float is held as integers of 32 bits, whose products fit 64 bits and whose sums are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mapreduce.aggregations.correlation import Correlation
from mapreduce.aggregations.spread import Variance
from mapreduce.columns.kinds import FLOATS, INTEGERS, Kind, items_of
from mapreduce.columns.plan import HIGH_BITS, LOW_BITS, Plan, halves

_HALF = LOW_BITS // 2
_EXPONENT = HIGH_BITS + LOW_BITS


def variance_plan(aggregation: Variance, value: str, kind: Kind) -> Plan | None:
    """Return how states of `Variance` are made; None for other types than numbers."""
    if kind.id in INTEGERS:
        sums = ("count(*)", f"sum({value})", _sum_of(value, value))
        return Plan(sums, ("sum", "wide", "wide"), _is_factor(value), _of_integers, "w")
    if kind.id not in FLOATS:
        return None
    high, low, sound = halves(value)
    above, below = f"({low} // {1 << _HALF})", f"({low} % {1 << _HALF})"
    products = [(high, high), (high, above), (high, below), (above, above), (above, below)]
    selected = (
        "count(*)",
        *(f"sum({each})" for each in (high, low)),
        *(_sum_of(one, other) for one, other in [*products, (below, below)]),
    )
    sound = f"{sound} AND {_is_factor(high)}"
    return Plan(selected, ("sum", *("wide",) * 8), sound, _of_floats, "v")


def correlation_plan(aggregation: Correlation, value: str, kind: Kind) -> Plan | None:
    """Return how states of `Correlation` are made; None where a value is no pair of integers."""
    if kind.id != "tuple" or [each.id in INTEGERS for each in items_of(kind)] != [True, True]:
        return None
    one, other = (f"struct_extract({value}, {at})" for at in (1, 2))
    selected = (
        "count(*)",
        f"sum({one})",
        _sum_of(one, one),
        f"sum({other})",
        _sum_of(other, other),
        _sum_of(one, other),
    )
    sound = f"{_is_factor(one)} AND {_is_factor(other)}"
    return Plan(selected, ("sum",) * 6, sound, _of_pairs, None, numbers=False)


def _factor(value: str) -> str:
    # a record that is not held makes the whole group void: NULL stands for it
    return f"CAST(TRY_CAST({value} AS INTEGER) AS BIGINT)"


def _is_factor(value: str) -> str:
    return f"TRY_CAST({value} AS INTEGER) IS NOT NULL"


def _sum_of(one: str, other: str) -> str:
    return f"sum({_factor(one)} * {_factor(other)})"


def _of_integers(found: Sequence[Sequence[Any]]) -> list[Any]:
    return [[count, 0, total, squares] for count, total, squares in zip(*found, strict=True)]


def _of_floats(found: Sequence[Sequence[Any]]) -> list[Any]:
    return [
        [
            count,
            _EXPONENT,
            (int(high) << LOW_BITS) + int(low),
            (int(hh) << 4 * _HALF)
            + (int(ha) << 3 * _HALF + 1)
            + (int(hb) << 2 * _HALF + 1)
            + (int(aa) << 2 * _HALF)
            + (int(ab) << _HALF + 1)
            + int(bb),
        ]
        for count, high, low, hh, ha, hb, aa, ab, bb in zip(*found, strict=True)
    ]


def _of_pairs(found: Sequence[Sequence[Any]]) -> list[Any]:
    return [
        [[count, 0, x, xx], [count, 0, y, yy], xy]
        for count, x, xx, y, yy, xy in zip(*found, strict=True)
    ]
