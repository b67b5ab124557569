"""The verdicts: which goals are met, missed or not measured, each case's and those over many cases.

Pure: it takes rows and returns text and numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, fsum, log
from typing import Literal

from bench.case import Case, Goal, Rows
from bench.cases.columns import times

MEAN_OF_WARM_SPARK = 2.0
"""The least geometric mean of the ratios to a warm PySpark, of all jobs and questions."""
WORST_OF_WARM_SPARK = 0.8
"""The least ratio of any job or question."""
OVERALL = "Jobs and questions"


@dataclass(frozen=True, slots=True)
class Section:
    """A case with its rows."""

    case: Case
    rows: Rows


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal of a case held against what was measured; `ratio` is None if it was not."""

    case: str
    goal: str
    measured: str
    ratio: float | None
    outcome: Literal["met", "not met", "not measured"]

    @property
    def shown(self) -> str:
        """The outcome in Markdown: a goal that is not met is bold."""
        return f"**{self.outcome}**" if self.outcome == "not met" else self.outcome


def verdicts(sections: Sequence[Section]) -> list[Verdict]:
    """Return the verdict of each goal of the cases, and of the goals over all of them."""
    found = [_judged(each.case.title, goal, goal.ratio(each.rows))
             for each in sections for goal in each.case.goals]  # fmt: skip
    return found + _overall(sections)


def goal_lines(sections: Sequence[Section]) -> list[tuple[str, str, str, str]]:
    """Return case, goal, measured value, and verdict, as they are shown."""
    return [(each.case, each.goal, each.measured, each.shown) for each in verdicts(sections)]


def geometric_mean(ratios: Iterable[float]) -> float:
    """Return the geometric mean of one or more positive ratios."""
    logarithms = [log(ratio) for ratio in ratios]
    return exp(fsum(logarithms) / len(logarithms))


def _overall(sections: Iterable[Section]) -> list[Verdict]:
    """Return the verdicts over all cases that compare a job with a warm PySpark."""
    ratios = [(name, ratio) for each in sections if each.case.against_warm_spark
              for name, ratio in each.case.against_warm_spark(each.rows).items()]  # fmt: skip
    if not ratios:
        return []
    known = {name: ratio for name, ratio in ratios if ratio is not None}
    whole = len(known) == len(ratios)
    count = f"{len(ratios)} jobs" if whole else f"{len(known)} of {len(ratios)} jobs"
    mean = geometric_mean(known.values()) if known else None
    worst = min(known, key=known.__getitem__, default="")
    told = f" ({worst})" if worst else ""
    return [
        _judged(
            OVERALL,
            Goal(
                f"geometric mean of the speed against a warm PySpark, {count}",
                "at least",
                MEAN_OF_WARM_SPARK,
                lambda rows: mean,
            ),
            mean,
        ),
        _judged(
            OVERALL,
            Goal(
                f"the least of these{told}",
                "at least",
                WORST_OF_WARM_SPARK,
                lambda rows: known.get(worst),
            ),
            known.get(worst),
        ),
    ]


def _judged(case: str, goal: Goal, ratio: float | None) -> Verdict:
    outcome: Literal["met", "not met", "not measured"] = (
        "not measured" if ratio is None else "met" if goal.met(ratio) else "not met"
    )
    return Verdict(
        case,
        f"{goal.text}: {goal.kind} {goal.bound:.3g}{goal.unit}",
        _measured(ratio, goal.unit),
        ratio,
        outcome,
    )


def _measured(ratio: float | None, unit: str) -> str:
    return times(ratio) if unit == "x" or ratio is None else f"{ratio:.3g}{unit}"
