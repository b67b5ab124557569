"""How SQL makes the states of an aggregation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mapreduce.columns.kinds import FLOATS, Kind

LOW_BITS = 60
HIGH_BITS = 20
"""A float is held as two integers: its multiple of 2**-20, and the rest's of 2**-80."""
LARGEST = 1 << 42
"""Floats from here on are not held so."""

_COLUMNS = {
    "i": ("BIGINT",),
    "d": ("DOUBLE",),
    "f": ("BIGINT",) * 2,
    "q": ("BIGINT[]",),
    "r": ("DOUBLE[]",),
    "w": ("BIGINT", *("HUGEINT",) * 2),
    "v": ("BIGINT", *("HUGEINT",) * 8),
    "x": ("BIGINT",),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How a state is made in SQL.

    Attributes:
        selected: the expressions of a group.
        merged: for each of them the function that makes one of the values of several groups;
            "high" and "low" are the sums of the two integers that hold floats, "wide" is a sum that
            may be beyond 64 bits, "list" puts lists together.
        sound: a condition on a record; where it is false for one, the values are added one by one.
        states: makes the states of some keys from the values of each expression.
        layout: how the native collector makes a state of the values: "i" an integer, "d" a float,
            "f" the sum of floats that two integers hold, "q" and "r" quantiles of a list of
            integers and of floats, "w" and "v" a variance of integers and of floats, "x" nothing
            of a value, "[" and "]" a list; None: it cannot.
        numbers: the states are numbers, which every collector takes.
    """

    selected: tuple[str, ...]
    merged: tuple[str, ...]
    sound: str
    states: Callable[[Sequence[Sequence[Any]]], list[Any]]
    layout: str | None
    numbers: bool = True

    @property
    def columns(self) -> list[str]:
        """The types of the columns of the layout: those that the native collector reads."""
        return [kind for step in self.layout or "" for kind in _COLUMNS.get(step, ())]


def halves(value: str) -> tuple[str, str, str]:
    """Return the SQL of the two integers that hold a float, and of whether they hold it exactly.

    Multiplication with a power of two, `trunc` and the difference to it round nothing.
    """
    scaled = f"(CAST({value} AS DOUBLE) * {float(1 << HIGH_BITS)!r}::DOUBLE)"
    rest = f"(({scaled} - trunc({scaled})) * {float(1 << LOW_BITS)!r}::DOUBLE)"
    sound = f"coalesce(abs({value}) < {LARGEST} AND trunc({rest}) = {rest}, false)"
    # a record that is not held makes the whole group void: any number stands for it
    high, low = (f"TRY_CAST(trunc({each}) AS BIGINT)" for each in (scaled, rest))
    return high, low, sound


def in_order_sql(value: str, kind: Kind) -> str:
    """Return the SQL of whether a value has a place among others, in which no two are equal that
    differ: not NULL, infinity, NaN or -0.0.
    """
    if kind.id not in FLOATS:
        return f"{value} IS NOT NULL"
    return f"coalesce(isfinite({value}) AND NOT ({value} = 0 AND signbit({value})), false)"


def first(found: Sequence[Sequence[Any]]) -> list[Any]:
    """Return the values of the only expression that counts, which are the states."""
    return list(found[0])
