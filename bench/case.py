"""A case: what is measured, how its table and plots are made, and its goals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from bench.results import Summary
from bench.scale import Scale
from bench.trial import OURS, Trial


@dataclass(frozen=True, slots=True)
class Row:
    """One contender in one variant, a row of a table; `summary` is None if it was not measured."""

    contender: str
    label: str
    variant: str
    cores: int
    size_bytes: int
    summary: Summary | None

    @property
    def ok(self) -> Summary | None:
        """The medians, if the answers were right."""
        return self.summary if self.summary and self.summary.status == "ok" else None


Rows = Mapping[tuple[str, str], Row]
"""By contender and variant, in the order of the table."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its cell for a row, given all rows."""

    title: str
    text: Callable[[Summary, Row, Rows], str]


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal: `ratio` of a case is at least, or at most, `bound`; None if it is not measurable.

    `unit` is `x` for a ratio, or that of an absolute number, with a space before it (` s`).
    """

    text: str
    kind: Literal["at least", "at most"]
    bound: float
    ratio: Callable[[Rows], float | None]
    unit: str = "x"

    def met(self, ratio: float) -> bool:
        """Return whether a ratio meets the goal."""
        return ratio >= self.bound if self.kind == "at least" else ratio <= self.bound


@dataclass(frozen=True, slots=True)
class Series:
    """A line of a plot."""

    label: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot: bars with labels, or lines over numbers. `log` names the logarithmic axes."""

    name: str
    title: str
    kind: Literal["bars", "lines"]
    x: str
    y: str
    series: tuple[Series, ...] = ()
    bars: tuple[tuple[str, float], ...] = ()
    log: str = ""
    x_unit: Literal["", "bytes"] = ""


@dataclass(frozen=True, slots=True)
class Case:
    """A named comparison.

    `against_warm_spark` returns the speed of each of the case's jobs against that of a warm
    PySpark, by name: these count for the geometric mean over all cases.
    """

    name: str
    title: str
    about: str
    trials: Callable[[Scale], list[Trial]]
    columns: tuple[Column, ...]
    goals: tuple[Goal, ...] = ()
    plots: Callable[[Rows], tuple[Plot, ...]] = lambda rows: ()
    against_warm_spark: Callable[[Rows], Mapping[str, float | None]] | None = None


def found(rows: Rows, contender: str = OURS, variant: str = "") -> Summary | None:
    """Return a row's medians, if it has any and its answers were right."""
    row = rows.get((contender, variant))
    return row.ok if row else None


def divided(one: float | None, other: float | None) -> float | None:
    """Return a ratio, if both numbers are known."""
    return one / other if one is not None and other else None
