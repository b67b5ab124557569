"""The tasks of a run, each with its attempts together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from driver.plan.outcomes import Volumes
from driver.report.document import Report, TaskRow
from driver.report.model import AttemptModel, RunModel
from mapreduce.wire.messages import StageName

TaskState = Literal["done", "running", "failed", "cancelled", "ended", "reused"]
STAGES: tuple[StageName, ...] = ("split", "map", "reduce")
_Key = tuple[int, StageName, int]


class TaskLine(msgspec.Struct, frozen=True, kw_only=True):
    """One task: the attempt that counts, and how many there were.

    `seconds` and `volumes` of a reused task are those of the earlier run. `started` is None for
    a task whose attempts are unknown.
    """

    step: int
    stage: StageName
    index: int
    state: TaskState
    attempts: int
    endpoint: str
    started: float | None
    seconds: float
    volumes: Volumes

    @property
    def name(self) -> str:
        """The task's name, with the number of its step in a chain: `map-3`, `2:map-3`."""
        return task_name(self.step, f"{self.stage}-{self.index}")


def task_name(step: int, task: str) -> str:
    """Return a task's name, which in a chain begins with the number of its step."""
    return f"{step}:{task}" if step else task


def task_lines(model: RunModel, report: Report | None) -> list[TaskLine]:
    """Return the tasks of a run, ordered by step, stage and number."""
    rows = {_row_key(row): row for row in report.tasks} if report else {}
    attempts: dict[_Key, list[AttemptModel]] = {}
    # the events of chains of older versions do not tell one step from the next
    unclear = report is not None and len(report.steps) != len(model.steps)
    for attempt in () if unclear else model.attempts:
        attempts.setdefault(attempt_key(attempt), []).append(attempt)
    lines = [
        _line(key, attempts.get(key, []), rows.get(key), model) for key in {**rows, **attempts}
    ]
    return sorted(lines, key=lambda line: (line.step, STAGES.index(line.stage), line.index))


def attempt_key(attempt: AttemptModel) -> _Key:
    """Return the step, the stage and the number of an attempt's task."""
    return attempt.step, attempt.stage, int(attempt.task.rpartition("-")[2])


def lasted(attempt: AttemptModel, now: float) -> float:
    """Return the seconds that an attempt took, or takes so far."""
    return max(0.0, (attempt.ended if attempt.ended is not None else now) - attempt.started)


def done(lines: Iterable[TaskLine], stage: StageName) -> Iterator[TaskLine]:
    """Yield the tasks of a stage that this run has done itself."""
    return (line for line in lines if line.stage == stage and line.state == "done")


def _row_key(row: TaskRow) -> _Key:
    return row.step, row.stage, row.index


def _line(
    key: _Key, attempts: list[AttemptModel], row: TaskRow | None, model: RunModel
) -> TaskLine:
    step, stage, index = key
    counts = _that_counts(attempts)
    if row is not None and (row.reused or counts is None or counts.volumes == Volumes()):
        return TaskLine(
            step=step,
            stage=stage,
            index=index,
            state="reused" if row.reused else "done",
            attempts=row.attempts,
            endpoint=row.endpoint,
            started=counts.started if counts and not row.reused else None,
            seconds=row.seconds,
            volumes=_volumes(row),
        )
    assert counts is not None
    return TaskLine(
        step=step,
        stage=stage,
        index=index,
        state=counts.state,
        attempts=len(attempts),
        endpoint=counts.endpoint,
        started=counts.started,
        seconds=lasted(counts, model.now),
        volumes=counts.volumes,
    )


def _that_counts(attempts: list[AttemptModel]) -> AttemptModel | None:
    """Return the last attempt that is done, else one that runs, else the last."""
    for state in ("done", "running"):
        for attempt in reversed(attempts):
            if attempt.state == state:
                return attempt
    return attempts[-1] if attempts else None


def _volumes(row: TaskRow) -> Volumes:
    return Volumes(
        row.bytes_in, row.bytes_out, row.records_in, row.records_out, row.peak_memory_bytes
    )
