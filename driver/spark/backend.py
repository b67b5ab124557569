"""The backend on Apache Spark: this process splits, Spark's executors map and reduce.

The tasks are the engine's (`driver.spark.executor`), the shuffle is Spark's, and the run is the
pipeline's; this module joins them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from driver.history.cleaning import carry_out, plan_cleaning
from driver.history.run_store import RunStore
from driver.plan import events
from driver.plan.clock import Clock
from driver.plan.events import EventLog
from driver.plan.outcomes import Outcome
from driver.plan.tasks import RunPlan, TaskSpec, map_tasks, reduce_tasks, split_task
from driver.run.backend import Outcomes
from driver.run.chain import ChainRun, run_chain
from driver.run.pipeline import run_job
from driver.spark.executor import Workbench, map_side, map_whole, reduce_side
from driver.spark.external_shuffle import Carried, Drained
from driver.spark.session import Spark
from driver.transport.answers import check_answer, check_spark_answer
from mapreduce.chain import Chain
from mapreduce.engine import TaskContext, run_task
from mapreduce.errors import StageFailed
from mapreduce.formats.output import read_pairs
from mapreduce.job import Job
from mapreduce.wire.messages import MapTask, ReduceTask, SplitResult, StageName

TASK_MEMORY_BYTES = 512 << 20
"""The default memory of a map or reduce task; Spark's sorting uses as much again."""
_ATTEMPT = "spark"


@dataclass(frozen=True, slots=True)
class SparkBackend:
    """A running Spark. Nothing is reused: each run does all of its tasks.

    Attributes:
        runs: the store of the run's records.
        context: the context of the split stage.
        spark: carries out the other stages.
        task_memory_bytes: memory of a map or reduce task.
        skip_limit: how many records a map task may set aside; None when the first bad one ends the
            run.
    """

    runs: RunStore
    context: TaskContext
    spark: Spark
    task_memory_bytes: int = TASK_MEMORY_BYTES
    skip_limit: int | None = None
    clock: Clock = field(default_factory=Clock)

    @property
    def log_text(self) -> Callable[[], bytes]:
        """Returns Spark's log."""
        return self.spark.log_text

    async def carry_out(
        self, plan: RunPlan, log: EventLog, *, fresh: bool, started: float
    ) -> Outcomes:
        """Split here, map and reduce on Spark; raises `StageFailed` when a task has failed."""
        start = max(0.0, self.clock.now() - started)
        report = _StageReport(log, self.clock)
        split = await self._split(plan, report)
        assert isinstance(split.result, SplitResult)
        specs = [self._skipping(spec) for spec in map_tasks(plan, split.result)]
        report.begun("map", specs)
        submitted = self.clock.wall()
        maps, reduces = await self._on_spark(plan, specs)
        returned = self.clock.wall()
        turned = _turn(maps, submitted, returned) if plan.partitions else returned
        seconds = {
            "start": start,
            "split": split.seconds,
            "map": turned - submitted,
            "reduce": returned - turned,
        }
        mapped = report.ended("map", specs, maps, seconds["map"])
        reduced: list[Outcome] = []
        if plan.partitions:
            reducing = reduce_tasks(plan, (), None)
            report.begun("reduce", reducing)
            reduced = report.ended("reduce", reducing, reduces, seconds["reduce"])
        return Outcomes(split, mapped, reduced, seconds)

    def _skipping(self, spec: TaskSpec) -> TaskSpec:
        if self.skip_limit is None:
            return spec
        changed = {"skip_limit": self.skip_limit}
        return replace(
            spec, message=lambda attempt: spec.message(attempt).model_copy(update=changed)
        )

    async def _split(self, plan: RunPlan, report: _StageReport) -> Outcome:
        spec = split_task(plan)
        report.begun("split", [spec])
        started = self.clock.now()
        result = await asyncio.to_thread(run_task, spec.message(_ATTEMPT), self.context)
        check_answer(spec.message(_ATTEMPT), result)
        outcome = Outcome(spec, result, 1, "driver", self.clock.now() - started)
        report.done("split", [outcome], outcome.seconds)
        return outcome

    async def _on_spark(
        self, plan: RunPlan, specs: Sequence[TaskSpec]
    ) -> tuple[list[Carried], list[Carried]]:
        """Return the map tasks and the reduce tasks as carried out, each in order."""
        working = asyncio.ensure_future(asyncio.to_thread(self._carried, plan, specs))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            self.spark.cancel()
            await asyncio.gather(working, return_exceptions=True)
            raise

    def _carried(
        self, plan: RunPlan, specs: Sequence[TaskSpec]
    ) -> tuple[list[Carried], list[Carried]]:
        bench = Workbench(self.runs.store, self.task_memory_bytes)
        texts = [spec.message(_ATTEMPT).model_dump_json() for spec in specs]
        if not plan.partitions:
            answers = self.spark.map(partial(map_whole, bench), texts)
            return _in_order(Carried.model_validate_json(answer) for answer in answers), []
        reducing = partial(
            reduce_side, bench, reduce_tasks(plan, (), None)[0].message(_ATTEMPT).model_dump_json()
        )
        answers = self.spark.map_and_reduce(
            partial(map_side, bench), texts, reducing, plan.partitions
        )
        drained = [Drained.model_validate_json(answer) for answer in answers]
        maps = {(task.index, task.started): task for each in drained for task in each.maps}
        return _in_order(maps.values()), _in_order(each.reduce for each in drained if each.reduce)


async def spark_answer(
    plan: RunPlan, job: Job | Chain, runs: RunStore, master: str, context: TaskContext
) -> list[tuple[Any, Any]]:
    """Return the pairs, as JSON holds them, of the same run on Spark; delete that run.

    A run that fails is kept. Each map task may set as many records aside as the run has in all,
    because Spark's tasks differ from the run's.

    Args:
        plan: of the run.
        job: its job or chain.
        runs: the store of both runs.
        master: Spark's.
        context: the context of the split stage.
    """
    skipped = sum(len(runs.dead_letters(step)) for step in runs.steps_of(plan))
    log, started = EventLog(), Clock().now()
    again = runs.begin(plan.model_copy(update={"target": "spark", "created": Clock().wall()}))
    async with running_spark(master, context.scratch) as spark:
        place = SparkBackend(runs, context, spark, context.memory_bytes, skip_limit=skipped or None)
        if isinstance(job, Chain):
            report = await run_chain(ChainRun(job, again), place, log, fresh=True, started=started)
        else:
            report = (await run_job(again, place, log, fresh=True, started=started)).report
    pairs = [
        pair
        for url in report.result_urls
        for pair in read_pairs(runs.storage.read(url).split(b"\n"))
    ]
    carry_out(plan_cleaning(runs, [again.run], results=True), runs)
    return pairs


@asynccontextmanager
async def running_spark(master: str, folder: Path) -> AsyncIterator[Spark]:
    """Start Spark, and stop it at the end, also after an interrupted start; raises `FleetError`."""
    starting = asyncio.ensure_future(asyncio.to_thread(Spark, master, folder))
    try:
        yield await asyncio.shield(starting)
    finally:
        spark = await starting
        await asyncio.to_thread(spark.stop)


class _StageReport:
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
        task = specs[each.index].message(_ATTEMPT)
        if each.result is not None and isinstance(task, MapTask | ReduceTask):
            stored = isinstance(task, ReduceTask) or not task.partitions
            check_spark_answer(task, each.result, stored=stored)


def _in_order(carried: Iterable[Carried]) -> list[Carried]:
    return sorted(carried, key=lambda each: each.index)


def _turn(maps: Sequence[Carried], submitted: float, returned: float) -> float:
    """Return when the last map task had ended; bounded, as other machines' clocks differ."""
    return min(max(submitted, max((each.ended for each in maps), default=submitted)), returned)
