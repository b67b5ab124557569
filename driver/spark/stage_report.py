"""Reports the stages that Spark carries out to a run's log, when they are over."""

from __future__ import annotations

from collections.abc import Sequence

from driver.plan import events
from driver.plan.clock import Clock
from driver.plan.events import EventLog
from driver.plan.outcomes import Outcome
from driver.plan.tasks import TaskSpec
from driver.spark.external_shuffle import Carried
from driver.transport.answers import check_spark_answer
from mapreduce.errors import StageFailed
from mapreduce.wire.messages import MapTask, ReduceTask, StageName

ATTEMPT = "spark"
"""The name of each task's attempt, as the driver plans it."""


class StageReport:
    """Reports tasks that Spark has scheduled to a run's log, when their stage is over."""

    def __init__(self, log: EventLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    def begun(self, stage: StageName, specs: Sequence[TaskSpec]) -> None:
        """Report that a stage begins."""
        size = sum(spec.size_bytes for spec in specs)
        self._log(
            events.StageStarted(
                at=self._clock.wall(), stage=stage, tasks=len(specs), reused=0, size_bytes=size
            )
        )

    def ended(
        self,
        stage: StageName,
        specs: Sequence[TaskSpec],
        carried: Sequence[Carried],
        seconds: float,
    ) -> list[Outcome]:
        """Return the stage's outcomes; raises `StageFailed` and `TaskLost`."""
        _check(specs, carried)
        outcomes = [
            Outcome(specs[each.index], each.result, 1, each.worker, each.ended - each.started)
            for each in carried
            if each.result
        ]
        self._failures(stage, carried, outcomes)
        self.done(stage, outcomes, seconds)
        return outcomes

    def done(self, stage: StageName, outcomes: Sequence[Outcome], seconds: float) -> None:
        """Report that a stage is over."""
        for outcome in outcomes:
            self._log(
                events.AttemptDone(
                    at=self._clock.wall(),
                    task=outcome.spec.name,
                    attempt=1,
                    endpoint=outcome.endpoint,
                    seconds=outcome.seconds,
                    size_bytes=outcome.spec.size_bytes,
                )
            )
        self._log(events.StageDone(at=self._clock.wall(), stage=stage, seconds=seconds))

    def engine(self, carried: Sequence[Carried]) -> None:
        """Report which engine the tasks ran on: the compiled one or Python's."""
        missing = {each.worker: each.not_native for each in carried if each.not_native}
        native = sum(not each.not_native for each in carried)
        self._log(events.EngineOnSpark(at=self._clock.wall(), native=native, missing=missing))

    def _failures(
        self, stage: StageName, carried: Sequence[Carried], outcomes: list[Outcome]
    ) -> None:
        failures = {f"{stage}-{each.index}": (each, each.error) for each in carried if each.error}
        for task, (each, error) in failures.items():
            self._log(
                events.AttemptFailed(
                    at=self._clock.wall(),
                    task=task,
                    attempt=1,
                    endpoint=each.worker,
                    kind=error.kind,
                    message=error.message,
                    then="the job fails",
                )
            )
        if failures:
            raise StageFailed(
                f"{', '.join(failures)} could not be done:",
                {task: (error,) for task, (_, error) in failures.items()},
            )


def _check(specs: Sequence[TaskSpec], carried: Sequence[Carried]) -> None:
    """Refuse results that do not fit their tasks; raises `TaskLost`."""
    for each in carried:
        task = specs[each.index].message(ATTEMPT)
        if each.result is not None and isinstance(task, MapTask | ReduceTask):
            stored = isinstance(task, ReduceTask) or not task.partitions
            check_spark_answer(task, each.result, stored=stored)
