"""The outcome of a task."""

from __future__ import annotations

from dataclasses import dataclass

from driver.plan.tasks import TaskSpec
from mapreduce.wire.messages import MapResult, ReduceResult, SplitResult

AnyResult = SplitResult | MapResult | ReduceResult


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished task: its result, endpoint and attempts; `reused` from an earlier run."""

    spec: TaskSpec
    result: AnyResult
    attempts: int
    endpoint: str
    seconds: float
    reused: bool = False
