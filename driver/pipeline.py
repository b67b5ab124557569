"""The story of a run on one page: plan -> split -> map -> reduce -> ledger -> commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from driver import events
from driver.events import EventLog
from driver.fleet.base import Fleet
from driver.planning import RunPlan, TaskSpec, map_tasks, reduce_tasks, split_task
from driver.policy import RetryPolicy
from driver.report.document import Report, make_report
from driver.reuse import FinishedTasks
from driver.run_store import RunResults, RunStore, Success
from driver.scheduler import AnyResult, Clock, Outcome, StageRun
from driver.transport import Transport
from mapreduce import keys
from mapreduce.engine import Ledger, balance
from mapreduce.errors import LedgerError, MapReduceError, ObjectMissing
from mapreduce.messages import InputObject, MapResult, ReduceResult, SplitResult, StageName
from mapreduce.storage import ObjectInfo, Storage


async def _at_once() -> None:
    """Ready without waiting."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a run is carried out, and by whom."""

    runs: RunStore
    fleet: Fleet
    transport: Transport
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    clock: Clock = field(default_factory=Clock)
    ready: Callable[[], Awaitable[None]] = _at_once
    """Returns when the services answer; raises `FleetError` when they do not."""
    log_text: Callable[[], bytes] = bytes
    """What the services have logged, where they keep it nowhere else."""


async def run_job(plan: RunPlan, place: Workplace, log: EventLog, *, fresh: bool, started: float) -> Report:
    """Carries out a planned run.

    Args:
        plan: with its run id.
        place: where.
        log: is told what happens.
        fresh: reuse nothing.
        started: when the user's command began, by the clock's `now`.

    Raises:
        JobFailed: a task used up its attempts.
        LedgerError: what came out is not what went in.
        FleetError: no service can be reached.
    """
    run = _Run(plan, place, log, fresh=fresh, started=started)
    size = sum(given.size for given in plan.inputs)
    log(
        events.RunStarted(
            at=place.clock.wall(),
            run=plan.run,
            job=plan.job.name,
            target=plan.target,
            inputs=len(plan.inputs),
            size_bytes=size,
        )
    )
    try:
        (split,) = await run.stage("split", [split_task(plan)])
        assert isinstance(split.result, SplitResult)
        maps = await run.stage("map", map_tasks(plan, split.result.splits))
        map_results = [outcome.result for outcome in maps if isinstance(outcome.result, MapResult)]
        reduces = await run.stage("reduce", reduce_tasks(plan, map_results))
        reduce_results = [outcome.result for outcome in reduces if isinstance(outcome.result, ReduceResult)]
        ledger = await asyncio.to_thread(check_ledger, plan, map_results, reduce_results, place.runs, split.result)
        parts = await asyncio.to_thread(commit, plan, reduce_results, place.runs)
        finished = place.clock.now()
        log(events.RunDone(at=place.clock.wall(), run=plan.run, seconds=finished - started))
        report = make_report(
            plan,
            split,
            maps,
            reduces,
            ledger,
            [info.url for info in parts],
            run.stage_seconds,
            finished - started,
        )
        await asyncio.to_thread(place.runs.write, plan.run, "report.json", report)
        return report
    except MapReduceError as exc:
        log(events.RunFailed(at=place.clock.wall(), run=plan.run, kind=type(exc).__name__, message=str(exc)))
        await asyncio.to_thread(place.runs.write, plan.run, "failure.json", _failure(exc))
        raise
    finally:
        await asyncio.to_thread(place.runs.write, plan.run, "events.jsonl", log.json_lines())
        if text := place.log_text():
            await asyncio.to_thread(place.runs.write, plan.run, "services.log", text)


def check_ledger(
    plan: RunPlan,
    maps: Sequence[MapResult],
    reduces: Sequence[ReduceResult],
    runs: RunStore,
    split: SplitResult,
) -> Ledger:
    """Writes the run's results and its ledger; raises `LedgerError` when the ledger does not balance."""
    runs.write(plan.run, "results.json", RunResults(split=split, maps=tuple(maps), reduces=tuple(reduces)))
    ledger = balance(plan.inputs, maps, reduces, current_etags(plan.inputs, runs.storage), plan.partitions)
    runs.write(plan.run, "ledger.json", ledger)
    if not ledger.balanced:
        wrong = "\n".join(
            f"  {row.what}: {row.expected} {row.unit} expected, {row.found} found" for row in ledger.discrepancies
        )
        raise LedgerError(
            f"the ledger of {plan.run} does not balance, so there is no result:\n{wrong}\n"
            f"see: python -m driver audit {plan.run}"
        )
    return ledger


def current_etags(inputs: Sequence[InputObject], storage: Storage) -> dict[str, str]:
    """The inputs' ETags now, by URL; "" for one that is gone."""

    def etag(given: InputObject) -> str:
        try:
            return storage.head(given.url).etag
        except ObjectMissing:
            return ""

    with ThreadPoolExecutor(16) as pool:
        return dict(zip([given.url for given in inputs], pool.map(etag, inputs), strict=True))


def commit(plan: RunPlan, reduces: Sequence[ReduceResult], runs: RunStore) -> list[ObjectInfo]:
    """Gives the winning attempts their final names, and writes `_SUCCESS` last."""

    def give_name(numbered: tuple[int, ReduceResult]) -> ObjectInfo:
        number, result = numbered
        return runs.storage.copy(result.url, keys.result(runs.store, plan.run, number, plan.partitions))

    with ThreadPoolExecutor(16) as pool:
        parts = list(pool.map(give_name, enumerate(reduces)))
    records = sum(result.records_out for result in reduces)
    runs.succeed(
        Success(run=plan.run, parts=tuple((part.url, part.size, part.etag) for part in parts), records=records)
    )
    return parts


class _Run:
    """The stages of one run, and what each took."""

    def __init__(self, plan: RunPlan, place: Workplace, log: EventLog, *, fresh: bool, started: float) -> None:
        self._place = place
        self._log = log
        self._fresh = fresh
        self._finished = FinishedTasks(place.runs.storage, plan.store)
        self._started = started
        self.stage_seconds: dict[str, float] = {"start": 0.0}

    async def stage(self, stage: StageName, specs: list[TaskSpec]) -> list[Outcome]:
        """Does what no earlier run has done of a stage's tasks; the outcomes in the order of the tasks."""
        clock, log = self._place.clock, self._log
        looked = clock.now()
        reused = {} if self._fresh else await asyncio.to_thread(self._finished.find, specs)
        found = clock.now()
        todo = [spec for spec in specs if spec.index not in reused]
        log(
            events.StageStarted(
                at=clock.wall(),
                stage=stage,
                tasks=len(specs),
                reused=len(reused),
                size_bytes=sum(spec.size_bytes for spec in todo),
            )
        )
        done = {
            index: Outcome(specs[index], result, 0, "", result.cost.seconds, reused=True)
            for index, result in reused.items()
        }
        if todo:
            await self._ready()
        started = clock.now()
        if todo:
            done |= await self._do(stage, todo)
        self.stage_seconds[stage] = clock.now() - started + found - looked
        log(events.StageDone(at=clock.wall(), stage=stage, seconds=self.stage_seconds[stage]))
        return [done[spec.index] for spec in specs]

    async def _ready(self) -> None:
        """Waits for the services, once, and only when there is something for them to do."""
        if not self.stage_seconds["start"]:
            await self._place.ready()
            self.stage_seconds["start"] = self._place.clock.now() - self._started

    async def _do(self, stage: StageName, todo: list[TaskSpec]) -> dict[int, Outcome]:
        """Runs tasks, and remembers each result as it comes, beside the tasks that still run."""
        place = self._place
        remembering: set[asyncio.Future[None]] = set()

        def remember(outcome: Outcome) -> None:
            remembering.add(asyncio.ensure_future(self._remember(outcome.spec, outcome.result)))

        stage_run = StageRun(stage, place.fleet, place.transport, place.policy, self._log, place.clock, remember)
        try:
            outcomes = await stage_run.run(todo)
        finally:
            await asyncio.gather(*remembering)
        return {outcome.spec.index: outcome for outcome in outcomes}

    async def _remember(self, spec: TaskSpec, result: AnyResult) -> None:
        await asyncio.to_thread(self._finished.remember, spec, result)


def _failure(exc: MapReduceError) -> bytes:
    from mapreduce.engine.run import task_error

    return task_error(exc).model_dump_json().encode()
