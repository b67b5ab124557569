"""The numbers of a run that say whether it went well: quantiles, skew, losses. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from driver.report.model import AttemptModel, RunModel, StageModel
from driver.report.page.document import RunDocument
from driver.report.page.tasks import TaskLine, lasted
from mapreduce.wire.messages import StageName

QUANTILES = (0, 5, 25, 50, 75, 95, 100)
"""Percent: the least value, five between, and the greatest."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A quantity of a task; `unit` is s, bytes, a count or bytes/s."""

    name: str
    unit: str
    of: Callable[[TaskLine], float]


METRICS = (
    Metric("time", "s", lambda line: line.seconds),
    Metric("read", "bytes", lambda line: line.volumes.bytes_in),
    Metric("written", "bytes", lambda line: line.volumes.bytes_out),
    Metric("records in", "count", lambda line: line.volumes.records_in),
    Metric("records out", "count", lambda line: line.volumes.records_out),
    Metric(
        "read a second",
        "bytes/s",
        lambda line: line.volumes.bytes_in / line.seconds if line.seconds else 0.0,
    ),
    Metric("memory", "bytes", lambda line: line.volumes.peak_memory_bytes),
)


def quantiles(lines: Sequence[TaskLine], metric: Metric) -> list[tuple[float, str]]:
    """Return the value at each of `QUANTILES`, and the task that has it.

    Each is a value of a task (the nearest rank), not a mean of two. [] without a task.
    """
    if not lines:
        return []
    ordered = sorted(lines, key=lambda line: (metric.of(line), line.step, line.index))
    found = [ordered[max(0, math.ceil(percent * len(ordered) / 100) - 1)] for percent in QUANTILES]
    return [(metric.of(line), line.name) for line in found]


def skew(values: Sequence[float]) -> float | None:
    """Return the greatest value by the median; None where that says nothing: fewer than two
    values, or a median of 0.
    """
    middle = median(values) if len(values) > 1 else 0
    return max(values) / middle if middle > 0 else None


@dataclass(frozen=True, slots=True)
class Loss:
    """A stage's wall time in seconds, as a sum of what it was spent on.

    Attributes:
        stage: the pass of the stage.
        slots: how many attempts could run at once.
        wall: from its start to its end.
        even: the work of the attempts that counted, divided evenly over all slots.
        skew: what the longest task adds to that; both together are the least possible time.
        start: until the first attempt.
        retries: the work of attempts that did not count, divided over all slots.
        waiting: the rest: slots without a task, and the driver's own work.
    """

    stage: StageModel
    slots: int
    wall: float
    even: float
    skew: float
    start: float
    retries: float
    waiting: float

    @property
    def least(self) -> float:
        """The least possible time with these tasks and these slots."""
        return self.even + self.skew

    @property
    def lost(self) -> float:
        """The seconds over the least possible."""
        return self.start + self.retries + self.waiting

    @property
    def worst(self) -> tuple[str, float]:
        """The name of the greatest loss, skew included, and its seconds."""
        named = ("skew", "start", "retries", "waiting")
        return max(((name, getattr(self, name)) for name in named), key=lambda each: each[1])


def losses(model: RunModel) -> list[Loss]:
    """Return what the wall time of each pass of a stage was spent on."""
    by_stage: dict[tuple[int, StageName], list[AttemptModel]] = {}
    for attempt in model.attempts:
        by_stage.setdefault((attempt.step, attempt.stage), []).append(attempt)
    return [
        _loss(stage, by_stage.get((stage.step, stage.stage), []), model.now)
        for stage in model.stages
    ]


def _loss(stage: StageModel, attempts: Iterable[AttemptModel], now: float) -> Loss:
    ended = stage.ended if stage.ended is not None else now
    mine = [each for each in attempts if stage.started <= each.started <= ended]
    work = [lasted(each, now) for each in mine if each.state in ("done", "running")]
    other = sum(lasted(each, now) for each in mine if each.state not in ("done", "running"))
    slots = max(stage.slots, len({each.slot for each in mine}), 1)
    wall = left = max(0.0, ended - stage.started)
    first = stage.first_attempt if stage.first_attempt is not None else stage.started
    parts = []
    # in this order, and each at most what is left: clocks of workers and driver differ a little
    for part in (
        sum(work) / slots,
        max(0.0, max(work, default=0.0) - sum(work) / slots),
        max(0.0, first - stage.started),
        other / slots,
    ):
        parts.append(min(part, left))
        left -= parts[-1]
    even, longest, start, retries = parts
    return Loss(stage, slots, wall, even, longest, start, retries, max(0.0, left))


def phases(document: RunDocument) -> list[tuple[str, float]]:
    """Return the run's time in order: start, each pass of a stage, the rest; in seconds.

    The rest is the ledger, the commit and what lies between two stages.
    """
    model, began = document.model, document.began
    found = [("start", model.stages[0].started - began)] if model.stages else []
    several = any(stage.step for stage in model.stages)
    for stage in model.stages:
        name = f"{stage.step}:{stage.stage}" if several else stage.stage
        ended = stage.ended if stage.ended is not None else model.now
        found.append((f"{name}, again" if stage.again else name, ended - stage.started))
    rest = document.seconds - sum(seconds for _, seconds in found)
    last = "commit" if model.state == "done" else "rest"
    return [(name, max(0.0, seconds)) for name, seconds in [*found, (last, rest)]]
