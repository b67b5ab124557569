"""The story of a run on one page: plan -> split -> map -> reduce -> ledger -> commit."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from driver.history.ledger import draw_up
from driver.history.reuse import FinishedTasks, part_of
from driver.history.run_store import DeadLetter, RunResults, RunStore, Success
from driver.plan import events
from driver.plan.clock import Clock
from driver.plan.events import EventLog
from driver.plan.outcomes import AnyResult, Outcome
from driver.plan.tasks import RunPlan, TaskSpec, map_tasks, reduce_tasks, split_task
from driver.report.document import Report, make_report
from driver.scheduling.policy import RetryPolicy
from driver.scheduling.scheduler import StageFailed, StageRun
from driver.text import BLOCK_LIMIT, TRACEBACK_LIMIT, cut_middle, storable
from driver.transport.base import Transport
from driver.transport.endpoint import Fleet
from mapreduce.engine import Ledger
from mapreduce.engine.run import task_error
from mapreduce.errors import JobFailed, LedgerError, MapReduceError
from mapreduce.storage import Requests
from mapreduce.wire import keys
from mapreduce.wire.messages import InputObject, MapResult, ReduceResult, SplitResult, StageName, TaskError

NO_REQUESTS = Requests()
MOST_REDONE = 3
"""How often one task's output may be lost and written again, before the job fails."""


async def _at_once() -> None:
    """Ready without waiting."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What the stages of a run have come to, and how many seconds each took."""

    split: Outcome
    maps: Sequence[Outcome]
    reduces: Sequence[Outcome]
    seconds: dict[str, float]

    @property
    def results(self) -> RunResults:
        """The results alone."""
        assert isinstance(self.split.result, SplitResult)
        maps = (outcome.result for outcome in self.maps)
        reduces = (outcome.result for outcome in self.reduces)
        return RunResults(
            split=self.split.result,
            maps=tuple(result for result in maps if isinstance(result, MapResult)),
            reduces=tuple(result for result in reduces if isinstance(result, ReduceResult)),
        )


class Workplace(Protocol):
    """Where a run is carried out, and by whom."""

    @property
    def runs(self) -> RunStore:
        """What is kept of the run."""

    @property
    def clock(self) -> Clock:
        """The time."""

    @property
    def log_text(self) -> Callable[[], bytes]:
        """What the services have logged, where they keep it nowhere else."""

    async def carry_out(self, plan: RunPlan, log: EventLog, *, fresh: bool, started: float) -> Outcomes:
        """Does all stages of a run; takes and raises what `run_job` does."""


@dataclass(frozen=True, slots=True)
class FleetWorkplace:
    """Services that are asked task by task; what an earlier run has done is not done again."""

    runs: RunStore
    fleet: Fleet
    transport: Transport
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    clock: Clock = field(default_factory=Clock)
    ready: Callable[[], Awaitable[None]] = _at_once
    """Returns when the services answer; raises `FleetError` when they do not."""
    log_text: Callable[[], bytes] = bytes
    remembers: bool = True
    """Whether a later run may reuse what is done here."""

    async def carry_out(self, plan: RunPlan, log: EventLog, *, fresh: bool, started: float) -> Outcomes:
        """Stage after stage."""
        stages = _Stages(plan, self, log, fresh=fresh, started=started)
        (split,) = await stages.carry_out("split", [split_task(plan)])
        assert isinstance(split.result, SplitResult)
        maps, reduces = await _map_and_reduce(plan, split.result, stages)
        return Outcomes(split, maps, reduces, stages.seconds)


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that has come to its end: its report, and its pairs for the next step of a chain."""

    report: Report
    pairs: tuple[InputObject, ...]


async def run_job(
    plan: RunPlan,
    place: Workplace,
    log: EventLog,
    *,
    fresh: bool,
    started: float,
    counted: Requests = NO_REQUESTS,
) -> Finished:
    """Carries out a planned run.

    Args:
        plan: with its run id.
        place: where.
        log: is told what happens.
        fresh: reuse nothing.
        started: when the user's command began, by the clock's `now`.
        counted: the driver's requests that were not for this run.

    Raises:
        JobFailed: a task used up its attempts.
        LedgerError: what came out is not what went in.
        FleetError: no service can be reached.
    """
    before = len(log.events)
    log(
        events.RunStarted(
            at=place.clock.wall(),
            run=plan.run,
            job=plan.job.name,
            target=plan.target,
            inputs=len(plan.inputs),
            size_bytes=sum(given.size for given in plan.inputs),
        )
    )
    async with recorded(plan, place, log):
        done = await place.carry_out(plan, log, fresh=fresh, started=started)
        results = done.results
        ledger = await asyncio.to_thread(check_ledger, plan, results, place.runs)
        success = await asyncio.to_thread(commit, plan, results, place.runs)
        finished = place.clock.now()
        log(events.RunDone(at=place.clock.wall(), run=plan.run, seconds=finished - started))
    report = make_report(
        plan,
        done.split,
        done.maps,
        done.reduces,
        ledger,
        [info.url for info in success.objects],
        done.seconds,
        finished - started,
        log.events[before:],
        place.runs.requests_with_report - counted,
    )
    report = await with_notes(report, place, log)
    return Finished(report, tuple(part.pairs for part in results.parts if part.pairs))


async def with_notes(report: Report, place: Workplace, log: EventLog) -> Report:
    """Write a run's report, with what went wrong beside the run; the result is committed, so nothing fails any more."""
    report = report.model_copy(update={"notes": log.notes})
    what = "the run's report.json could not be written"
    await asyncio.to_thread(log.contain, what, place.runs.write, report.run_id, "report.json", report)
    return report.model_copy(update={"notes": log.notes})


async def _map_and_reduce(plan: RunPlan, split: SplitResult, stages: _Stages) -> tuple[list[Outcome], list[Outcome]]:
    """The outcomes of both stages; what a task has written and is lost before the end is written again."""
    maps = await stages.carry_out("map", map_tasks(plan, split))
    if not plan.partitions:
        return await stages.until_whole("map", maps), []
    known: dict[str, Outcome] = {}
    for round_left in reversed(range(MOST_REDONE * len(maps) + 1)):
        results = [outcome.result for outcome in maps if isinstance(outcome.result, MapResult)]
        try:
            reduces = await stages.carry_out("reduce", reduce_tasks(plan, results), known)
            known |= {outcome.spec.key: outcome for outcome in reduces}
            return maps, await stages.until_whole("reduce", reduces)
        except StageFailed as exc:
            lost = outputs_lost(exc.failures, maps)
            again = max((outcome.spec.redone for outcome in maps if outcome.spec.index in lost), default=0)
            if not lost or again >= MOST_REDONE or not round_left:
                raise
            lost |= await stages.lost(maps)
            known |= {outcome.spec.key: outcome for outcome in exc.outcomes}
            maps = await stages.redo("map", maps, lost, str(exc).partition("\n")[2].strip())
    raise AssertionError("the last round returns or raises")


def outputs_lost(failures: Mapping[str, Sequence[TaskError]], maps: Sequence[Outcome]) -> set[int]:
    """The maps whose output could not be read, if that is what a reduce stage failed of.

    Args:
        failures: of the reduce stage, by task.
        maps: the outcomes that it read.
    """
    unreadable = {
        error.object
        for errors in failures.values()
        if errors[-1].kind in ("OutputLost", "CorruptBlock")
        for error in errors
        if error.object
    }
    return {outcome.spec.index for outcome in maps if _url(outcome) in unreadable}


def _url(outcome: Outcome) -> str:
    return "" if isinstance(outcome.result, SplitResult) else outcome.result.url


@asynccontextmanager
async def recorded(plan: RunPlan, place: Workplace, log: EventLog) -> AsyncIterator[None]:
    """Write down what happened, and of a failure why, before it goes on.

    These are records for people. When one cannot be written, that is noted, and the run ends as it would have.
    """

    async def keep(name: str, content: Callable[[], TaskError | bytes]) -> None:
        what = f"the run's {name} could not be written"
        await asyncio.to_thread(log.contain, what, lambda: place.runs.write_unless_empty(plan.run, name, content()))

    try:
        yield
    except MapReduceError as exc:
        failure = kept_error(task_error(exc))
        log(events.RunFailed(at=place.clock.wall(), run=plan.run, kind=failure.kind, message=failure.message))
        await keep("failure.json", lambda: failure)
        raise
    finally:
        await keep("events.jsonl", log.json_lines)
        await keep("services.log", place.log_text)


def kept_error(error: TaskError) -> TaskError:
    """Return an error as the records of a run keep it: its texts cut, each to a limit of its own."""
    texts = {name: storable(text, BLOCK_LIMIT) for name, text in error.model_dump(exclude={"traceback"}).items()}
    return TaskError(**texts, traceback=storable(cut_middle(error.traceback, TRACEBACK_LIMIT), 2 * TRACEBACK_LIMIT))


def check_ledger(plan: RunPlan, results: RunResults, runs: RunStore) -> Ledger:
    """Writes the run's results and its ledger; raises `LedgerError` when the ledger does not balance."""
    runs.write(plan.run, "results.json", results)
    ledger = draw_up(plan, results, runs.storage)
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


def commit(plan: RunPlan, results: RunResults, runs: RunStore) -> Success:
    """Give the winning attempts their final names, and write `_SUCCESS` last; raises `OutputLost`."""
    names = [
        keys.result(runs.store, plan.run, number, whole=plan.partitions == 1) for number in range(len(results.parts))
    ]
    records = sum(result.records_out for result in results.parts)
    return runs.commit(plan.run, list(zip(map(part_of, results.parts), names, strict=True)), records)


class _Stages:
    """The stages of one run, and how many seconds each took."""

    def __init__(self, plan: RunPlan, place: FleetWorkplace, log: EventLog, *, fresh: bool, started: float) -> None:
        self._plan = plan
        self._place = place
        self._log = log
        self._fresh = fresh
        self._finished = FinishedTasks(place.runs.storage, plan.store)
        self._started = started
        self._is_ready = False
        self._names = Counter[str]()  # attempts that each task has had, by its name
        self.seconds: dict[str, float] = {"start": 0.0, "reduce": 0.0}

    async def carry_out(
        self, stage: StageName, specs: list[TaskSpec], known: Mapping[str, Outcome] | None = None
    ) -> list[Outcome]:
        """Does what no earlier run has done of a stage's tasks; the outcomes in the order of the tasks.

        Args:
            stage: which.
            specs: its tasks.
            known: outcomes of this very run, by the keys of their tasks.
        """
        clock, log = self._place.clock, self._log
        looked = clock.now()
        done = {spec.index: known[spec.key] for spec in specs if known and spec.key in known}
        missing = [spec for spec in specs if spec.index not in done]
        # what is done again is not to be found again: its object may be there, and be what could not be read
        old = [spec for spec in missing if not spec.redone]
        reused = {} if self._fresh else await asyncio.to_thread(self._finished.find, old)
        found = clock.now()
        todo = [spec for spec in missing if spec.index not in reused]
        log(
            events.StageStarted(
                at=clock.wall(),
                stage=stage,
                tasks=len(specs),
                reused=len(reused),
                size_bytes=sum(spec.size_bytes for spec in todo),
            )
        )
        by_index = {spec.index: spec for spec in missing}
        done |= {
            index: Outcome(by_index[index], result, 0, "", result.cost.seconds, reused=True)
            for index, result in reused.items()
        }
        if todo:
            await self._ready()
        started = clock.now()
        if todo:
            done |= await self._do(stage, todo)
        seconds = clock.now() - started + found - looked
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
        log(events.StageDone(at=clock.wall(), stage=stage, seconds=seconds))
        return [done[spec.index] for spec in specs]

    async def redo(self, stage: StageName, outcomes: list[Outcome], lost: Collection[int], why: str) -> list[Outcome]:
        """Carries out tasks again whose output is lost; all outcomes, in the same order."""
        again = {
            outcome.spec.index: replace(outcome.spec, redone=outcome.spec.redone + 1)
            for outcome in outcomes
            if outcome.spec.index in lost
        }
        names = tuple(spec.name for spec in again.values())
        self._log(events.OutputsRedone(at=self._place.clock.wall(), tasks=names, why=why))
        keep = {outcome.spec.key: outcome for outcome in outcomes if outcome.spec.index not in lost}
        specs = [again.get(outcome.spec.index, outcome.spec) for outcome in outcomes]
        return await self.carry_out(stage, specs, keep)

    async def lost(self, outcomes: Sequence[Outcome]) -> set[int]:
        """Which tasks' outputs are gone or changed."""
        lost = await asyncio.to_thread(self._finished.lost, [outcome.result for outcome in outcomes])
        return {outcomes[number].spec.index for number in lost}

    async def until_whole(self, stage: StageName, outcomes: list[Outcome]) -> list[Outcome]:
        """Return the outcomes, every one of whose objects is what its task wrote; what is not is written again.

        Raises:
            JobFailed: what was written for the last time is not whole either.
        """
        for again in range(MOST_REDONE + 1):
            lost = await self.lost(outcomes)
            if not lost:
                return outcomes
            urls = ", ".join(_url(outcome) for outcome in outcomes if outcome.spec.index in lost)
            if again == MOST_REDONE:
                raise JobFailed(
                    f"what the {stage} stage has written is gone or changed, {MOST_REDONE} times after it was written "
                    f"again: {urls}. Does another program change or delete files in the store?"
                )
            outcomes = await self.redo(stage, outcomes, lost, f"gone or changed: {urls}")
        raise AssertionError("the last round returns or raises")

    async def _ready(self) -> None:
        """Waits for the services, once, and only when there is something for them to do."""
        if not self._is_ready:
            await self._place.ready()
            self._is_ready = True
            self.seconds["start"] = self._place.clock.now() - self._started

    async def _do(self, stage: StageName, todo: list[TaskSpec]) -> dict[int, Outcome]:
        """Runs tasks, and remembers each result as it comes, beside the tasks that still run."""
        place = self._place
        remembering: set[asyncio.Future[None]] = set()

        def remember(outcome: Outcome) -> None:
            remembering.add(asyncio.ensure_future(self._remember(outcome.spec, outcome.result)))

        stage_run = StageRun(
            stage, place.fleet, place.transport, place.policy, self._log, place.clock, remember, names=self._names
        )
        try:
            outcomes = await stage_run.run(todo)
        finally:
            await asyncio.gather(*remembering)
        await asyncio.to_thread(self._write_dead_letters, outcomes)
        return {outcome.spec.index: outcome for outcome in outcomes}

    async def _remember(self, spec: TaskSpec, result: AnyResult) -> None:
        # a run that skips nothing must not find what another has skipped
        # nor may anybody find what depends on a module that is not in the task's key
        unknown = set(result.cost.imported) - set(self._plan.modules)
        if self._place.remembers and not unknown and not (isinstance(result, MapResult) and result.skipped):
            what = "the results of tasks could not be kept for later runs"
            await asyncio.to_thread(self._log.contain, what, self._finished.remember, spec, result)

    def _write_dead_letters(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            skipped = outcome.result.skipped if isinstance(outcome.result, MapResult) else ()
            for number, record in enumerate(skipped):
                letter = DeadLetter(
                    place=record.place,
                    url=record.url,
                    key=record.key,
                    record=record.record,
                    message=storable(record.message),
                    traceback=storable(record.traceback, TRACEBACK_LIMIT),
                )
                # named after its task: a task that is done again writes its letters again, and no other's
                self._place.runs.write(self._plan.run, keys.dead_letter(outcome.spec.index, number), letter)
