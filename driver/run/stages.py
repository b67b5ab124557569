"""The stages of a run on a fleet of services: which tasks are reused, run, and run again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from driver.history.failure import authors_files
from driver.history.reuse import FinishedTasks
from driver.history.run_store import DeadLetter, RunStore
from driver.plan import events
from driver.plan.clock import Clock
from driver.plan.events import EventLog
from driver.plan.outcomes import AnyResult, Outcome
from driver.plan.tasks import RunPlan, TaskSpec, map_tasks, reduce_tasks, split_task
from driver.run.backend import Outcomes
from driver.scheduling.policy import Allowance, RetryPolicy
from driver.scheduling.scheduler import StageRun
from driver.text import TRACEBACK_LIMIT, storable
from driver.transport.base import Transport
from driver.transport.endpoint import Fleet
from mapreduce.engine.fetch import write_list
from mapreduce.errors import CorruptBlock, JobFailed, OutputLost, StageFailed, causes_of
from mapreduce.wire import keys
from mapreduce.wire.messages import MapResult, SplitResult, StageName, StoredObject, TaskError

MOST_REDONE = 3
"""How often one task's output may be lost and written again, before the job fails."""


Complete = Callable[[list[TaskSpec]], Awaitable[list[TaskSpec]]]
"""Completes the messages of the tasks that will run."""


async def _at_once() -> None:
    """Return at once: nothing has to start."""


async def _as_they_are(todo: list[TaskSpec]) -> list[TaskSpec]:
    """Return the tasks: their messages are complete."""
    return todo


@dataclass(frozen=True, slots=True)
class FleetBackend:
    """A fleet of services; finished tasks of earlier runs are reused."""

    runs: RunStore
    fleet: Fleet
    transport: Transport
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    clock: Clock = field(default_factory=Clock)
    ready: Callable[[], Awaitable[None]] = _at_once
    """Returns when the services answer; raises `FleetError` when they do not."""
    log_text: Callable[[], bytes] = bytes
    remembers: bool = True
    """Whether a later run may reuse this run's tasks."""
    secret: str = ""
    """The key that kept states are sealed with; "" where a job may read and write everything."""
    allowance: Callable[[EventLog], Allowance | None] | None = None
    """Returns what the run with these events may still spend; None without a limit."""

    async def carry_out(
        self, plan: RunPlan, log: EventLog, *, fresh: bool, started: float
    ) -> Outcomes:
        """Carry out one stage after another."""
        stages = Stages(plan, self, log, fresh=fresh, started=started)
        (split,) = await stages.carry_out("split", [split_task(plan)])
        assert isinstance(split.result, SplitResult)
        maps, reduces = await _map_and_reduce(plan, split.result, stages)
        return Outcomes(split, maps, reduces, stages.seconds)


async def _map_and_reduce(
    plan: RunPlan, split: SplitResult, stages: Stages
) -> tuple[list[Outcome], list[Outcome]]:
    """Return the outcomes of both stages; run tasks again whose output was lost."""
    maps = await stages.carry_out("map", map_tasks(plan, split))
    if not plan.partitions:
        return await stages.until_whole("map", maps), []
    known: dict[str, Outcome] = {}
    lists_lost = 0
    for round_left in reversed(range(MOST_REDONE * (len(maps) + 1) + 1)):
        listing = _Listing(plan, maps, stages)
        try:
            reduces = await stages.carry_out("reduce", listing.tasks(), known, listing.named)
            known |= {outcome.spec.key: outcome for outcome in reduces}
            return maps, await stages.until_whole("reduce", reduces, listing.named)
        except StageFailed as exc:
            unreadable = objects_unreadable(exc.failures)
            lost = {outcome.spec.index for outcome in maps if _url(outcome) in unreadable}
            redone = [outcome.spec.redone for outcome in maps if outcome.spec.index in lost]
            if listing.url in unreadable:
                redone.append(lists_lost)
                lists_lost += 1
            if not redone or max(redone) >= MOST_REDONE or not round_left:
                raise
            lost |= await stages.lost(maps)
            known |= {outcome.spec.key: outcome for outcome in stages.done}
            maps = await stages.redo("map", maps, lost, "\n".join(causes_of(exc.failures)))
    raise AssertionError("the last round returns or raises")


def objects_unreadable(failures: Mapping[str, Sequence[TaskError]]) -> set[str]:
    """Return the URLs of the objects that a failed reduce stage could not read.

    Args:
        failures: of the reduce stage, by task.
    """
    return {
        error.object
        for errors in failures.values()
        if issubclass(errors[-1].cause, OutputLost | CorruptBlock)
        for error in errors
        if error.object
    }


class _Listing:
    """The reduce tasks over some map outputs, whose list is written once a task has to run."""

    def __init__(self, plan: RunPlan, maps: Sequence[Outcome], stages: Stages) -> None:
        self._plan = plan
        self._results = [each.result for each in maps if isinstance(each.result, MapResult)]
        self._storage = stages.storage
        self._keep_states, self._secret = stages.keeps_states, stages.secret
        self._listed: StoredObject | None = None

    @property
    def url(self) -> str:
        """The list's URL, once it is written."""
        return self._listed.url if self._listed else ""

    def tasks(self) -> list[TaskSpec]:
        """Return all reduce tasks; their messages name no list."""
        return reduce_tasks(self._plan, self._results, None)

    async def named(self, todo: list[TaskSpec]) -> list[TaskSpec]:
        """Return tasks that will run, with the list in their messages."""
        if self._listed is None:
            store, run = self._plan.store, self._plan.run
            self._listed = await asyncio.to_thread(
                write_list, self._results, store, run, self._storage
            )
        every = reduce_tasks(
            self._plan,
            self._results,
            self._listed,
            keep_states=self._keep_states,
            secret=self._secret,
        )
        return [replace(spec, message=every[spec.index].message) for spec in todo]


def _url(outcome: Outcome) -> str:
    return "" if isinstance(outcome.result, SplitResult) else outcome.result.url


class Stages:
    """The stages of one run, and how many seconds each took."""

    def __init__(
        self, plan: RunPlan, backend: FleetBackend, log: EventLog, *, fresh: bool, started: float
    ) -> None:
        self._plan = plan
        self._backend = backend
        self._log = log
        self._fresh = fresh
        self._finished = FinishedTasks(backend.runs.storage, plan.store)
        self._started = started
        self._is_ready = False
        self._names = Counter[str]()  # attempts that each task has had, by its name
        self._allowance = backend.allowance(log) if backend.allowance else None
        self.storage = backend.runs.storage
        self.keeps_states = backend.remembers and not fresh
        self.secret = backend.secret
        self.seconds: dict[str, float] = {"start": 0.0, "reduce": 0.0}
        self.done: list[Outcome] = []
        """What the services have done of the last stage, also when it failed."""

    async def carry_out(
        self,
        stage: StageName,
        specs: list[TaskSpec],
        known: Mapping[str, Outcome] | None = None,
        complete: Complete = _as_they_are,
    ) -> list[Outcome]:
        """Run the tasks of a stage that no earlier run has finished.

        Args:
            stage: the stage.
            specs: its tasks.
            known: outcomes of this run, by the keys of their tasks.
            complete: completes the tasks that will run.

        Returns:
            The outcomes, in the order of the tasks.
        """
        clock, log = self._backend.clock, self._log
        looked = clock.now()
        done = {spec.index: known[spec.key] for spec in specs if known and spec.key in known}
        missing = [spec for spec in specs if spec.index not in done]
        # never reuse a task that runs again: its old object may exist and be the unreadable one
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
                kept=len(done),
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
            done |= await self._do(stage, await complete(todo))
        seconds = clock.now() - started + found - looked
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
        log(events.StageDone(at=clock.wall(), stage=stage, seconds=seconds))
        return [done[spec.index] for spec in specs]

    async def redo(
        self,
        stage: StageName,
        outcomes: list[Outcome],
        lost: Collection[int],
        why: str,
        complete: Complete = _as_they_are,
    ) -> list[Outcome]:
        """Run tasks again whose output is lost; return all outcomes, in the same order."""
        if not lost:
            return outcomes
        again = {
            outcome.spec.index: replace(outcome.spec, redone=outcome.spec.redone + 1)
            for outcome in outcomes
            if outcome.spec.index in lost
        }
        names = tuple(spec.name for spec in again.values())
        self._log(events.OutputsRedone(at=self._backend.clock.wall(), tasks=names, why=why))
        keep = {outcome.spec.key: outcome for outcome in outcomes if outcome.spec.index not in lost}
        specs = [again.get(outcome.spec.index, outcome.spec) for outcome in outcomes]
        return await self.carry_out(stage, specs, keep, complete)

    async def lost(self, outcomes: Sequence[Outcome]) -> set[int]:
        """Return the indexes of the tasks whose outputs are gone or changed."""
        lost = await asyncio.to_thread(
            self._finished.lost, [outcome.result for outcome in outcomes]
        )
        return {outcomes[number].spec.index for number in lost}

    async def until_whole(
        self, stage: StageName, outcomes: list[Outcome], complete: Complete = _as_they_are
    ) -> list[Outcome]:
        """Return the outcomes once every object is whole; run the tasks of the others again.

        Raises:
            JobFailed: after the last repetition an object is still gone or changed.
        """
        for again in range(MOST_REDONE + 1):
            lost = await self.lost(outcomes)
            if not lost:
                return outcomes
            urls = ", ".join(_url(outcome) for outcome in outcomes if outcome.spec.index in lost)
            if again == MOST_REDONE:
                raise JobFailed(
                    f"output of the {stage} stage is gone or changed, after it was written again "
                    f"{MOST_REDONE} times: {urls}. "
                    "Does another program change or delete files in the store?"
                )
            why = f"gone or changed: {urls}"
            outcomes = await self.redo(stage, outcomes, lost, why, complete)
        raise AssertionError("the last round returns or raises")

    async def _ready(self) -> None:
        """Wait for the services, once, and only when there are tasks to run."""
        if not self._is_ready:
            await self._backend.ready()
            self._is_ready = True
            self.seconds["start"] = self._backend.clock.now() - self._started

    async def _do(self, stage: StageName, todo: list[TaskSpec]) -> dict[int, Outcome]:
        """Run tasks; store each result for later runs while other tasks still run."""
        backend = self._backend
        remembering: set[asyncio.Future[None]] = set()
        self.done = []

        def remember(outcome: Outcome) -> None:
            self.done.append(outcome)
            remembering.add(asyncio.ensure_future(self._remember(outcome.spec, outcome.result)))

        stage_run = StageRun(
            stage,
            backend.fleet,
            backend.transport,
            backend.policy,
            self._log,
            backend.clock,
            remember,
            names=self._names,
            allowance=self._allowance,
        )
        try:
            outcomes = await stage_run.run(todo)
        finally:
            await asyncio.gather(*remembering)
        await asyncio.to_thread(self._write_dead_letters, outcomes)
        return {outcome.spec.index: outcome for outcome in outcomes}

    async def _remember(self, spec: TaskSpec, result: AnyResult) -> None:
        # a run that skips nothing must not reuse a result with skipped records, and no run one that
        # depends on a module outside the task's key
        unknown = set(result.cost.imported) - set(self._plan.modules)
        if (
            self._backend.remembers
            and not unknown
            and not (isinstance(result, MapResult) and result.skipped)
        ):
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
                    traceback=storable(
                        authors_files(record.traceback, self._plan), TRACEBACK_LIMIT
                    ),
                )
                # named after its task, so that a task that runs again replaces only its letters
                self._backend.runs.write(
                    self._plan.run, keys.dead_letter(outcome.spec.index, number), letter
                )
