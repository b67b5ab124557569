"""What the pages of all runs and of one job show: rows, a choice of them, trends. Pure."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ROWS_SHOWN = 200
"""Rows of a page of runs; a word says how many more there are."""
TREND_RUNS = 30
TREND_WIDTH, TREND_HEIGHT = 120, 24
STATES = ("running", "planned", "lost", "failed", "interrupted", "paused", "done")


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run in a list: times in seconds since the epoch, None or "" for what is not known."""

    run: str
    state: str
    job: str = ""
    target: str = ""
    created: float = 0.0
    seconds: float | None = None
    usd: float | None = None
    inputs: int = 0
    size_bytes: int = 0
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the user has chosen to see; "" is everything. `text` is a part of a run's id or job."""

    state: str = ""
    job: str = ""
    text: str = ""

    def __bool__(self) -> bool:
        return bool(self.state or self.job or self.text)


@dataclass(frozen=True, kw_only=True)
class Trend:
    """How long the last runs of a job took: a line's points in a box, oldest run first."""

    points: tuple[tuple[float, float], ...]
    median_s: float
    last_s: float

    @property
    def path(self) -> str:
        """Return the points as those of an SVG polyline."""
        return " ".join(f"{x:g},{y:g}" for x, y in self.points)


@dataclass(frozen=True, kw_only=True)
class JobLine:
    """All runs of one job."""

    job: str
    runs: int
    last: RunRow
    trend: Trend | None


def chosen(rows: Iterable[RunRow], choice: Choice) -> list[RunRow]:
    """Return the rows of a choice, newest first."""
    text = choice.text.casefold()
    found = [
        row
        for row in rows
        if choice.state in ("", row.state)
        and choice.job in ("", row.job)
        and text in f"{row.run} {row.job}".casefold()
    ]
    return sorted(found, key=lambda row: (row.created, row.run), reverse=True)


def before(rows: Iterable[RunRow], run: str) -> str:
    """Return the run of the same job that was planned before a run; "" without one."""
    rows = list(rows)
    own = next((row for row in rows if row.run == run), None)
    if own is None:
        return ""
    earlier = [row for row in rows if row.job == own.job and row.created < own.created]
    return max(earlier, key=lambda row: row.created).run if earlier else ""


def jobs(rows: Iterable[RunRow]) -> list[JobLine]:
    """Return a line for each job, the one that ran last first."""
    by_job: dict[str, list[RunRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.created, row.run)):
        if row.job:
            by_job[row.job].append(row)
    lines = [
        JobLine(job=job, runs=len(found), last=found[-1], trend=trend(found))
        for job, found in by_job.items()
    ]
    return sorted(lines, key=lambda line: line.last.created, reverse=True)


def trend(rows: Sequence[RunRow]) -> Trend | None:
    """Return the trend of runs, oldest first; None with fewer than two that are done."""
    took = [row.seconds for row in rows if row.state == "done" and row.seconds is not None]
    took = took[-TREND_RUNS:]
    if len(took) < 2:
        return None
    most = max(*took, 1e-9)
    points = tuple(
        (
            round(place / (len(took) - 1) * TREND_WIDTH, 1),
            round(TREND_HEIGHT - 1 - seconds / most * (TREND_HEIGHT - 2), 1),
        )
        for place, seconds in enumerate(took)
    )
    return Trend(points=points, median_s=statistics.median(took), last_s=took[-1])
