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
from driver.plan.events import EventLog, Observer
from driver.plan.outcomes import Outcome
from driver.plan.tasks import RunPlan, TaskSpec, map_tasks, reduce_tasks, split_task
from driver.run.backend import Outcomes
from driver.run.chain import ChainRun, run_chain
from driver.run.interruption import Interruption, again_on
from driver.run.pipeline import run_job
from driver.spark.executor import Workbench, map_side, map_whole, reduce_side
from driver.spark.external_shuffle import Carried, Drained
from driver.spark.session import Spark
from driver.spark.stage_report import ATTEMPT, StageReport
from driver.spark.watch import FIRST_WORD_S, NEXT_WORD_S, Watch, timed_out
from driver.transport.answers import check_answer
from mapreduce.chain import Chain
from mapreduce.engine import TaskContext, run_task
from mapreduce.formats.output import read_pairs
from mapreduce.job import Job
from mapreduce.wire.messages import SplitResult

TASK_MEMORY_BYTES = 512 << 20
"""The default memory of a map or reduce task; Spark's sorting uses as much again."""
LOOK_S = 0.5
"""Seconds between two looks at what Spark does."""


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
        stage_timeout_s: how long a stage may take; None for no limit.
    """

    runs: RunStore
    context: TaskContext
    spark: Spark
    task_memory_bytes: int = TASK_MEMORY_BYTES
    skip_limit: int | None = None
    stage_timeout_s: float | None = None
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
        report = StageReport(log, self.clock)
        split = await self._split(plan, report)
        assert isinstance(split.result, SplitResult)
        specs = [self._skipping(spec) for spec in map_tasks(plan, split.result)]
        report.begun("map", specs)
        submitted = self.clock.wall()
        maps, reduces = await self._on_spark(plan, specs, log)
        returned = self.clock.wall()
        turned = _turn(maps, submitted, returned) if plan.partitions else returned
        seconds = {
            "start": start,
            "split": split.seconds,
            "map": turned - submitted,
            "reduce": returned - turned,
        }
        report.engine([*maps, *reduces])
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

    async def _split(self, plan: RunPlan, report: StageReport) -> Outcome:
        spec = split_task(plan)
        report.begun("split", [spec])
        started = self.clock.now()
        try:
            async with asyncio.timeout(self.stage_timeout_s):
                result = await asyncio.to_thread(run_task, spec.message(ATTEMPT), self.context)
        except TimeoutError as exc:
            assert self.stage_timeout_s is not None, "there is no other limit"
            raise timed_out("split", 1, 1, self.stage_timeout_s) from exc
        check_answer(spec.message(ATTEMPT), result)
        outcome = Outcome(spec, result, 1, "driver", self.clock.now() - started)
        report.done("split", [outcome], outcome.seconds)
        return outcome

    async def _on_spark(
        self, plan: RunPlan, specs: Sequence[TaskSpec], log: EventLog
    ) -> tuple[list[Carried], list[Carried]]:
        """Return the map tasks and the reduce tasks as carried out, each in order."""
        working = asyncio.ensure_future(asyncio.to_thread(self._carried, plan, specs))
        watch = Watch(len(specs), plan.partitions, self.clock.now(), self.stage_timeout_s)
        try:
            while not (await asyncio.wait({working}, timeout=LOOK_S))[0]:
                state = await asyncio.to_thread(self.spark.state)
                waited = watch.waits_s(state, self.clock.now())
                if waited is not None:
                    waits = events.WaitingForSpark(
                        at=self.clock.wall(),
                        stage=watch.stage,
                        seconds=waited,
                        executors=state.executors,
                    )
                    log(waits)
            return working.result()
        finally:
            if not working.done():
                await asyncio.to_thread(self.spark.cancel)
                await asyncio.gather(working, return_exceptions=True)

    def _carried(
        self, plan: RunPlan, specs: Sequence[TaskSpec]
    ) -> tuple[list[Carried], list[Carried]]:
        bench = Workbench(self.runs.store, self.task_memory_bytes, plan.joined)
        texts = [spec.message(ATTEMPT).model_dump_json() for spec in specs]
        if not plan.partitions:
            answers = self.spark.map(partial(map_whole, bench), texts)
            return _in_order(Carried.model_validate_json(answer) for answer in answers), []
        reducing = partial(
            reduce_side, bench, reduce_tasks(plan, (), None)[0].message(ATTEMPT).model_dump_json()
        )
        answers = self.spark.map_and_reduce(
            partial(map_side, bench), texts, reducing, plan.partitions
        )
        drained = [Drained.model_validate_json(answer) for answer in answers]
        maps = {(task.index, task.started): task for each in drained for task in each.maps}
        return _in_order(maps.values()), _in_order(each.reduce for each in drained if each.reduce)


async def spark_answer(
    plan: RunPlan,
    job: Job | Chain,
    runs: RunStore,
    master: str,
    context: TaskContext,
    observer: Observer,
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
        observer: receives the events of that run.

    Raises:
        MapReduceError: as `run_job` and `run_chain` do; `RunStopped` after SIGTERM.
    """
    skipped = sum(len(runs.dead_letters(step)) for step in runs.steps_of(plan))
    log, started = EventLog([observer]), Clock().now()
    again = runs.begin(plan.model_copy(update={"target": "spark", "created": Clock().wall()}))
    with Interruption(again_on("spark")).of_signals():
        async with running_spark(master, context.scratch, log) as spark:
            place = SparkBackend(
                runs, context, spark, context.memory_bytes, skip_limit=skipped or None
            )
            if isinstance(job, Chain):
                steps = ChainRun(job, again)
                report = await run_chain(steps, place, log, fresh=True, started=started)
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
async def running_spark(master: str, folder: Path, emit: Observer) -> AsyncIterator[Spark]:
    """Start Spark, and stop it at the end, also after an interrupted start; raises `FleetError`."""
    spark = Spark(master, folder)
    starting = asyncio.ensure_future(asyncio.to_thread(spark.start))
    try:
        await _started(starting, emit)
        yield spark
    finally:
        if not starting.done():
            spark.give_up()
            await asyncio.gather(starting, return_exceptions=True)
        await asyncio.to_thread(spark.stop)


async def _started(starting: asyncio.Future[None], emit: Observer) -> None:
    """Wait for Spark's start, and say so when it takes long."""
    clock = Clock()
    began, limit_s = clock.now(), FIRST_WORD_S
    while not (await asyncio.wait({starting}, timeout=limit_s))[0]:
        waited, limit_s = clock.now() - began, NEXT_WORD_S
        emit(events.WaitingForSpark(at=clock.wall(), stage=None, seconds=waited))
    starting.result()


def _in_order(carried: Iterable[Carried]) -> list[Carried]:
    return sorted(carried, key=lambda each: each.index)


def _turn(maps: Sequence[Carried], submitted: float, returned: float) -> float:
    """Return when the last map task had ended; bounded, as other machines' clocks differ."""
    return min(max(submitted, max((each.ended for each in maps), default=submitted)), returned)
