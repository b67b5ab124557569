"""One stage's loop: keeps every endpoint's slots full until each task has a result, or one is out of attempts.

It holds no policy: what follows a failure is `policy`'s to say. It has no clock of its own either.
"""

from __future__ import annotations

import asyncio
import bisect
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass

from driver import events
from driver.answers import check_answer, check_event
from driver.attempts import AnyResult, Attempt, OpenTask, Outcome, Running, Waiting
from driver.endpoints import Endpoints, Slots
from driver.events import Observer
from driver.fleet.base import Endpoint, Fleet
from driver.planning import TaskSpec
from driver.policy import (
    BackupPolicy,
    GiveUp,
    RetryPolicy,
    after_failure,
    backup_after,
    endpoint_pause,
    most_backups,
    stage_budget,
)
from driver.transport import NoSlot, NotReached, Transport
from mapreduce.engine.set_aside import too_many
from mapreduce.errors import FleetError, JobFailed, TaskLost
from mapreduce.messages import (
    Done,
    Failed,
    MapResult,
    Progress,
    SkippedRecord,
    StageName,
    Started,
    TaskError,
)

SKIPPED_SAID = 100
"""Of so many records that are set aside is told while a stage runs; the dead letters hold all."""
NO_ENDPOINT_S = 60.0
"""How long a stage waits while there is no endpoint at all."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The two clocks of a run: `now` for waiting and measuring, `wall` for what people read."""

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


class StageFailed(JobFailed):
    """A task used up its attempts, or the stage its budget.

    Attributes:
        failures: every failure of the stage, by task.
        outcomes: of the tasks that were done.
    """

    def __init__(self, message: str, failures: dict[str, list[TaskError]], outcomes: list[Outcome]) -> None:
        super().__init__(message)
        self.failures = failures
        self.outcomes = outcomes


class StageRun:
    """Runs the tasks of one stage.

    Args:
        stage: which.
        fleet: tells the endpoints.
        transport: reaches them.
        policy: the limits of failures.
        backups: when a straggler is run a second time.
        emit: is told what happens.
        clock: the time.
        done: is called with each outcome as it comes, before the next task starts on its slot.
    """

    def __init__(
        self,
        stage: StageName,
        fleet: Fleet,
        transport: Transport,
        policy: RetryPolicy,
        emit: Observer,
        clock: Clock,
        done: Callable[[Outcome], None],
        backups: BackupPolicy | None = None,
    ) -> None:
        self._stage: StageName = stage
        self._fleet = fleet
        self._transport = transport
        self._policy = policy
        self._backups = backups or BackupPolicy()
        self._emit = emit
        self._clock = clock
        self._done = done
        self._wake = asyncio.Event()
        self._endpoints = Endpoints(policy)
        self._looking: asyncio.Task[None] | None = None
        self._tasks = 0
        self._waiting = Waiting(())
        self._running = Running()
        self._backup_due: float | None = None
        self._attempts: set[asyncio.Task[None]] = set()
        self._outcomes: dict[int, Outcome] = {}
        self._finished_s: list[float] = []  # ascending
        self._failed: dict[int, OpenTask] = {}
        self._failures = 0
        self._said_fresh = False
        self._set_aside: list[SkippedRecord] = []
        self._given_up: StageFailed | FleetError | None = None
        self._refreshed = -1e9
        self._started = self._seen_endpoint = self._answered = clock.now()

    async def run(self, tasks: Sequence[TaskSpec]) -> list[Outcome]:
        """The outcomes, in the order of the tasks.

        Raises:
            StageFailed: a task used up its attempts, or the stage its failures or its time.
            FleetError: there is no endpoint to ask, or one does not take our signature.
        """
        self._tasks = len(tasks)
        # the largest first: what is started last should be short
        self._waiting = Waiting(OpenTask(spec) for spec in sorted(tasks, key=lambda spec: -spec.size_bytes))
        try:
            while len(self._outcomes) < len(tasks):
                if self._given_up:
                    raise self._given_up
                self._check_time()
                await self._refresh()
                self._assign()
                self._assign_backups()
                await self._pause()
        finally:
            await self._cancel()
        return [self._outcomes[spec.index] for spec in tasks]

    def _check_time(self) -> None:
        limit = self._policy.stage_timeout_s
        if limit is not None and self._clock.now() - self._started > limit:
            left = self._tasks - len(self._outcomes)
            self._give_up(f"the {self._stage} stage", f"{left} of {self._tasks} tasks were not done after {limit:g} s")

    async def _refresh(self) -> None:
        """Looks who is there now and then; beside the tasks, unless there is nobody to give them to."""
        now = self._clock.now()
        if self._looking is None and now - self._refreshed >= self._fleet.refresh_s:
            self._refreshed = now
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(self._looked)
        if self._looking is not None and (self._looking.done() or not self._endpoints):
            looking, self._looking = self._looking, None
            await looking

    async def _look(self) -> None:
        appeared, gone = self._endpoints.update(await self._fleet.endpoints(self._stage))
        now = self._clock.now()
        if self._endpoints:
            self._seen_endpoint = now
        elif now - self._seen_endpoint > NO_ENDPOINT_S:
            raise FleetError(
                f"there has been no {self._stage} service for {NO_ENDPOINT_S:.0f} s; is the fleet running?"
            )
        if not appeared and not gone:
            return
        self._wake.set()
        why = await self._fleet.why_gone(self._stage, gone) if gone else {}
        self._emit(events.FleetChanged(at=self._clock.wall(), stage=self._stage, appeared=appeared, gone=gone, why=why))

    def _looked(self, looking: asyncio.Task[None]) -> None:
        if not looking.cancelled() and looking.exception():
            self._wake.set()

    def _assign(self) -> None:
        now = self._clock.now()
        while task := self._waiting.first(now):
            slots = self._endpoints.pick(now, task.failed_on)
            if slots is None:
                return
            self._waiting.take_first()
            self._launch(task, slots)

    def _assign_backups(self) -> None:
        """Starts stragglers a second time, when there is nothing else to do."""
        self._backup_due = None
        after = backup_after(self._finished_s, self._tasks, self._backups)
        if self._waiting or after is None:
            return
        now = self._clock.now()
        stay: list[tuple[OpenTask, Attempt]] = []
        while self._running.doubled < most_backups(self._tasks, self._backups) and self._endpoints.pick(now):
            longest = self._running.take_longest()
            if longest is None:
                break
            task, attempt = longest
            if now - attempt.started < after:
                stay.append(longest)
                self._backup_due = attempt.started + after
                break
            slots = self._endpoints.pick(now, task.failed_on, besides=attempt.endpoint)
            if slots is None:
                stay.append(longest)
            else:
                self._launch(task, slots)
        for task, attempt in stay:
            self._running.put_back(task, attempt)

    def _launch(self, task: OpenTask, slots: Slots) -> None:
        slots.busy += 1
        self._endpoints.changed(slots)
        task.attempts += 1
        attempt = Attempt(task.attempts, slots.endpoint.name, self._clock.now())
        self._emit(
            events.AttemptStarted(
                at=self._clock.wall(),
                task=task.spec.name,
                attempt=attempt.number,
                endpoint=attempt.endpoint,
                backup=bool(task.running),
            )
        )
        self._running.begin(task, attempt)
        attempt.handle = asyncio.create_task(self._attempt(task, attempt, slots))
        self._attempts.add(attempt.handle)
        attempt.handle.add_done_callback(self._attempts.discard)

    async def _pause(self) -> None:
        """Until something has happened, or the next thing is due."""
        now = self._clock.now()
        due = [self._refreshed + self._fleet.refresh_s, self._waiting.next_due, self._backup_due]
        if self._waiting:
            due.append(self._endpoints.next_return(now))
        if self._policy.stage_timeout_s is not None:
            due.append(self._started + self._policy.stage_timeout_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(min(at for at in due if at is not None) - now, 0.001)):
                await self._wake.wait()
        self._wake.clear()

    async def _attempt(self, task: OpenTask, attempt: Attempt, slots: Slots) -> None:
        """One attempt; catches its own errors, so that its siblings go on."""
        try:
            result = await self._ask(task, attempt, slots.endpoint)
        except NoSlot as exc:
            task.attempts -= 1
            self._running.end(task, attempt)
            if not task.running and task.spec.index not in self._outcomes:
                self._waiting.put_first(task)
            slots.quiet_until = self._clock.now() + exc.retry_after_s
        except NotReached as exc:
            self._endpoint_failed(slots)
            self._not_reached(task, attempt, str(exc))
        except FleetError as exc:  # no task's fault: this fleet is not to be used
            self._running.end(task, attempt)
            self._given_up = exc
        except TaskLost as exc:
            self._endpoint_failed(slots)
            self._fail(task, attempt, TaskError(kind="TaskLost", message=str(exc)))
        except asyncio.CancelledError:
            self._running.end(task, attempt)
            raise
        else:
            self._endpoint_answered(slots)
            if isinstance(result, TaskError):
                self._fail(task, attempt, result)
            else:
                self._succeed(task, attempt, result)
        finally:
            slots.busy -= 1
            self._endpoints.changed(slots)
            self._wake.set()

    async def _ask(self, task: OpenTask, attempt: Attempt, endpoint: Endpoint) -> AnyResult | TaskError:
        moved, seen = self._clock.now(), (0, 0, "")
        asked, nonce = task.message(attempt.number, self._policy), None
        async with aclosing(self._transport.run(endpoint, asked)) as answers:
            async for event in answers:
                self._answered = self._clock.now()
                nonce = check_event(asked, event, nonce)
                if isinstance(event, Started):
                    self._started_anew(event)
                elif isinstance(event, Progress):
                    self._progress(task, attempt, event)
                    if (now_seen := (event.bytes, event.records, event.status)) != seen:
                        moved, seen = self._clock.now(), now_seen
                    elif self._clock.now() - moved > self._policy.stall_timeout_s:
                        raise TaskLost(f"{endpoint.name} made no progress for {self._policy.stall_timeout_s:g} s")
                elif isinstance(event, Done):
                    check_answer(asked, event.result)
                    return event.result
                elif isinstance(event, Failed):
                    return event.error
        raise TaskLost(f"{endpoint.name} ended its answer before the task was done")

    def _started_anew(self, event: Started) -> None:
        """Say once that each task of the job imports it anew."""
        if event.fresh and not self._said_fresh:
            self._said_fresh = True
            self._emit(events.ImportedAnew(at=self._clock.wall(), stage=self._stage, why=event.fresh))

    def _progress(self, task: OpenTask, attempt: Attempt, event: Progress) -> None:
        self._emit(
            events.AttemptProgress(
                at=self._clock.wall(),
                task=task.spec.name,
                attempt=attempt.number,
                bytes=event.bytes,
                records=event.records,
                status=event.status,
            )
        )

    def _endpoint_failed(self, slots: Slots) -> None:
        slots.failures += 1
        pause = endpoint_pause(slots.failures, self._policy, random.random())
        slots.quiet_until = self._clock.now() + pause
        if slots.failures >= self._policy.breaker_failures:
            name = slots.endpoint.name
            self._emit(
                events.CircuitOpened(at=self._clock.wall(), endpoint=name, failures=slots.failures, pause_s=pause)
            )

    def _endpoint_answered(self, slots: Slots) -> None:
        if slots.failures >= self._policy.breaker_failures:
            self._emit(events.CircuitClosed(at=self._clock.wall(), endpoint=slots.endpoint.name))
        slots.failures = 0

    def _succeed(self, task: OpenTask, attempt: Attempt, result: AnyResult) -> None:
        self._running.end(task, attempt)
        if task.spec.index in self._outcomes:
            return  # another attempt was faster by a moment; this one's objects have a name of their own
        if not self._take_skipped(task, result):
            return
        seconds = self._clock.now() - attempt.started
        outcome = Outcome(task.spec, result, attempt.number, attempt.endpoint, seconds)
        self._outcomes[task.spec.index] = outcome
        bisect.insort(self._finished_s, seconds)
        self._emit(
            events.AttemptDone(
                at=self._clock.wall(),
                task=task.spec.name,
                attempt=attempt.number,
                endpoint=attempt.endpoint,
                seconds=seconds,
                size_bytes=task.spec.size_bytes,
            )
        )
        for other in list(task.running.values()):
            self._cancel_attempt(task, other)
        self._done(outcome)

    def _cancel_attempt(self, task: OpenTask, attempt: Attempt) -> None:
        assert attempt.handle is not None
        attempt.handle.cancel()
        self._emit(
            events.AttemptCancelled(
                at=self._clock.wall(),
                task=task.spec.name,
                attempt=attempt.number,
                endpoint=attempt.endpoint,
                seconds=self._clock.now() - attempt.started,
            )
        )

    def _fail(self, task: OpenTask, attempt: Attempt, error: TaskError) -> None:
        self._running.end(task, attempt)
        if task.spec.index in self._outcomes:
            return
        self._failures += 1
        task.failures.append(error)
        task.failed_on.add(attempt.endpoint)
        self._failed.setdefault(task.spec.index, task)
        decision = after_failure(task.failures, self._policy, random.random())
        if isinstance(decision, GiveUp):
            then = f"given up: {decision.why}"
            if error.kind == "Unauthorized":  # no task's fault: the services are not to be had with this key
                self._given_up = FleetError(error.message)
            else:
                self._give_up(
                    f"{task.spec.name} ({task.spec.reads})" if task.spec.reads else task.spec.name, decision.why
                )
        elif self._failures > (budget := stage_budget(self._tasks, self._policy)):
            then = "the job fails: too many failures"
            self._give_up(
                task.spec.name, f"the stage has seen more than {budget} failures, so something general is wrong"
            )
        elif task.running:
            then = "another attempt at it is running"
        else:
            then = f"tried again in {decision.delay_s:.1f} s"
            task.not_before = self._clock.now() + decision.delay_s
            self._waiting.put_last(task)
        self._say_failed(task, attempt, error, then)

    def _not_reached(self, task: OpenTask, attempt: Attempt, why: str) -> None:
        """Nothing of the task has begun, so it has not failed; unless nobody has answered for too long."""
        if self._clock.now() - self._answered > self._policy.unreachable_s:
            self._fail(task, attempt, TaskError(kind="TaskLost", message=why))
            return
        self._running.end(task, attempt)
        if task.spec.index in self._outcomes:
            return
        task.failed_on.add(attempt.endpoint)
        if not task.running:
            self._waiting.put_first(task)
        error = TaskError(kind="TaskLost", message=why)
        self._say_failed(task, attempt, error, "asked for again: nothing had begun")

    def _say_failed(self, task: OpenTask, attempt: Attempt, error: TaskError, then: str) -> None:
        self._emit(
            events.AttemptFailed(
                at=self._clock.wall(),
                task=task.spec.name,
                attempt=attempt.number,
                endpoint=attempt.endpoint,
                kind=error.kind,
                message=error.message,
                then=then,
                seconds=self._clock.now() - attempt.started,
            )
        )

    def _take_skipped(self, task: OpenTask, result: AnyResult) -> bool:
        """Count the records that a task has set aside; return False when the tasks together have too many."""
        for record in result.skipped if isinstance(result, MapResult) else ():
            self._set_aside.append(record)
            if len(self._set_aside) <= SKIPPED_SAID:
                message = record.message
                self._emit(
                    events.RecordSkipped(
                        at=self._clock.wall(), task=task.spec.name, place=record.place, message=message
                    )
                )
        if len(self._set_aside) <= (limit := self._policy.skip_bad_records):
            return True
        self._give_up("the map stage", too_many(limit, [record.place for record in self._set_aside]))
        return False

    def _give_up(self, what: str, why: str) -> None:
        failures = {failed.spec.name: failed.failures for failed in self._failed.values()}
        self._given_up = StageFailed(_grouped(what, why, failures), failures, list(self._outcomes.values()))

    async def _cancel(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        for attempt in self._attempts:
            attempt.cancel()
        await asyncio.gather(*self._attempts, return_exceptions=True)


def _grouped(task: str, why: str, failures: dict[str, list[TaskError]]) -> str:
    """All failures of a stage by cause, the most frequent first."""
    causes = Counter((error.kind, error.message) for errors in failures.values() for error in errors)
    lines = [f"{task} could not be done: {why}."]
    lines += [f"  {count} x {kind}: {message}" for (kind, message), count in causes.most_common()]
    return "\n".join(lines)
