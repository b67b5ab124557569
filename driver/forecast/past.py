"""How the last runs of a job came out beside their forecasts. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field

from driver.forecast.document import Basis, Forecast
from driver.forecast.figures import Figures, Point, StageFigures, line_through, power_through
from driver.forecast.receipt import Receipt
from driver.forecast.spread import Spread, spread_of
from driver.plan.events import AttemptDone, Event
from mapreduce.wire.messages import Message

KEPT_RUNS = 20


class PastRun(Message):
    """One finished run: what was forecast, and what came.

    `raw` are the single values of its forecast, `actual` what came, by the names of the receipt's
    lines. `held` says whether the end-to-end time lay in its range, None without a forecast.
    `figures` are measured from its tasks, None if it had too few; `code` names what they ran.
    """

    run: str
    at: float
    size_bytes: int
    basis: Basis = "nothing"
    cold: bool = False
    raw: dict[str, float] = Field(default_factory=dict)
    actual: dict[str, float] = Field(default_factory=dict)
    held: bool | None = None
    figures: Figures | None = None
    code: str = ""


class JobHistory(Message):
    """The last runs of one job on one target, oldest first."""

    runs: tuple[PastRun, ...] = ()

    def with_run(self, run: PastRun) -> JobHistory:
        """Return the history with one more run; the oldest ones leave it."""
        others = [each for each in self.runs if each.run != run.run]
        return JobHistory(runs=(*others, run)[-KEPT_RUNS:])

    @property
    def held(self) -> tuple[int, int]:
        """How many forecasts held the end-to-end time, and how many there were."""
        known = [run.held for run in self.runs if run.held is not None]
        return sum(known), len(known)

    def forecasts(self, basis: Basis, *, cold: bool) -> list[PastRun]:
        """Return the runs whose forecast had this basis and the same kind of start."""
        return [run for run in self.runs if run.basis == basis and run.cold == cold and run.raw]

    def newest_figures(self, code: str) -> Figures | None:
        """Return the figures of the newest run of the same code that has some."""
        alike = (run.figures for run in reversed(self.runs) if run.code == code)
        return next((figures for figures in alike if figures is not None), None)


def spreads(runs: Sequence[PastRun], raw: Mapping[str, float]) -> dict[str, Spread]:
    """Return the spread of each quantity of a forecast over earlier runs with the same basis.

    A run of about the same size says the most: what a task takes beside its work counts in a small
    run, and its work in a large one.

    Args:
        runs: the earlier runs.
        raw: the single values of the forecast.
    """
    found: dict[str, Spread] = {}
    for name, value in raw.items():
        known = [
            (run.actual[name], run.raw[name])
            for run in runs
            if run.actual.get(name, 0) > 0 and run.raw.get(name, 0) > 0
        ]
        if known and value > 0:
            weights = [(1 + abs(math.log(value / before))) ** -2 for _, before in known]
            found[name] = spread_of([actual / before for actual, before in known], weights)
    return found


def past_run(
    receipt: Receipt,
    forecast: Forecast | None,
    happened: Iterable[Event],
    at: float,
    size_bytes: int,
    code: str,
    *,
    cold: bool,
) -> PastRun:
    """Return a finished run as later forecasts use it."""
    actual = {line.name: line.actual for line in receipt.lines if line.actual is not None}
    held = next((line.held for line in receipt.lines if line.name == "end_to_end"), None)
    return PastRun(
        run=receipt.run,
        at=at,
        size_bytes=size_bytes,
        basis=forecast.basis if forecast else "nothing",
        cold=cold,
        raw=forecast.raw if forecast else {},
        actual=actual,
        held=held,
        figures=measured(happened),
        code=code,
    )


def measured(happened: Iterable[Event]) -> Figures | None:
    """Return the figures of a run's own tasks; None when no map task was carried out."""
    done = [event for event in happened if isinstance(event, AttemptDone)]
    maps = [event for event in done if event.task.startswith("map-") and event.size_bytes]
    if not maps:
        return None
    reduces = [event for event in done if event.task.startswith("reduce-")]
    return Figures(
        map=_stage(maps, [float(event.size_bytes) for event in maps]),
        reduce=_stage(reduces, [float(event.volumes.bytes_in) for event in reduces])
        if reduces
        else None,
    )


def _stage(done: Sequence[AttemptDone], sizes: Sequence[float]) -> StageFigures:
    def points(values: Iterable[float]) -> list[Point]:
        return [
            Point(size_bytes=size, value=value) for size, value in zip(sizes, values, strict=True)
        ]

    return StageFigures(
        seconds=line_through(points(event.seconds for event in done)),
        bytes_out=power_through(points(float(event.volumes.bytes_out) for event in done)),
        pairs_out=power_through(points(float(event.volumes.records_out) for event in done)),
        memory=line_through(
            points(float(event.volumes.peak_memory_bytes) for event in done), level=True
        ),
    )
