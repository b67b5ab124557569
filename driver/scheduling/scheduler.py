"""One stage's loop: keeps every endpoint's slots full until each task has a result, or one is out of attempts.

It holds no policy: what follows a failure is `policy`'s to say. It has no clock of its own either.
"""

from __future__ import annotations

import asyncio
import bisect
import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

from driver.plan import events
from driver.plan.clock import Clock
from driver.plan.events import Observer
from driver.plan.outcomes import AnyResult, Outcome
from driver.plan.tasks import TaskSpec
from driver.scheduling.attempts import Attempt, OpenTask, Running, Waiting
from driver.scheduling.endpoints import Endpoints, Slots
from driver.scheduling.listening import Ears, listen
from driver.scheduling.policy import (
    BackupPolicy,
    GiveUp,
    RetryPolicy,
    after_failure,
    backup_after,
    endpoint_pause,
    most_backups,
    stage_budget,
    wait_for_slot,
)
from driver.scheduling.pulse import TICK_S, Pulse
from driver.transport.base import NoSlot, NotReached, Transport
from driver.transport.endpoint import Endpoint, Fleet, FleetGone
from mapreduce.engine.set_aside import too_many
from mapreduce.errors import FleetError, JobFailed, TaskLost
from mapreduce.wire.messages import (
    MapResult,
    Progress,
    SkippedRecord,
    StageName,
    Started,
    TaskError,
)

LOOK_S = 60.0
"""How long a look who is there may take."""
SAY_WAITING_S = 10.0
"""How often a user is told that a stage waits for a service."""
EXCUSED_S = 30.0
"""How long after a pause of this machine what is lost is the pause's fault."""
SKIPPED_SAID = 100
"""Of so many records that are set aside is told while a stage runs; the dead letters hold all."""


class StageFailed(JobFailed):
    """A task used up its attempts, or the stage its budget.

    Attributes:
        failures: every failure of the stage, by task.
        outcomes: of the tasks that were done.
    """

    def __init__(
        self, message: str, failures: dict[str, list[TaskError]], outcomes: list[Outcome]
    ) -> None:
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
        emit: is told what happens.
        clock: the time.
        done: is called with each outcome as it comes, before the next task starts on its slot.
        backups: when a straggler is run a second time.
        names: how many attempts each task has had in this run, by its name: no attempt may have another's number, also
            when a stage is carried out again.
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
        names: Counter[str] | None = None,
    ) -> None:
        self._stage: StageName = stage
        self._fleet = fleet
        self._transport = transport
        self._policy = policy
        self._backups = backups or BackupPolicy()
        self._emit = emit
        self._clock = clock
        self._done = done
        self._names = Counter[str]() if names is None else names
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
        self._refreshed = self._said_waiting = -1e9
        self._look_failed = ""
        self._pulse = Pulse(clock.now, clock.wall, self._say_away)
        self._started = clock.now()
        # by `_awake`
        self._seen_endpoint = self._answered = self._worked = self._started

    async def run(self, tasks: Sequence[TaskSpec]) -> list[Outcome]:
        """The outcomes, in the order of the tasks.

        Raises:
            StageFailed: a task used up its attempts, or the stage its failures or its time.
            FleetError: there is no endpoint to ask, or one does not take our signature.
        """
        self._tasks = len(tasks)
        # the largest first: what is started last should be short
        self._waiting = Waiting(
            OpenTask(spec) for spec in sorted(tasks, key=lambda spec: -spec.size_bytes)
        )
        ticking = asyncio.create_task(self._tick())
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
            ticking.cancel()
            await self._cancel()
        return [self._outcomes[spec.index] for spec in tasks]

    async def _tick(self) -> None:
        """Notice each time in which this process was away."""
        while True:
            await asyncio.sleep(TICK_S)
            self._pulse.beat()

    def _say_away(self, seconds: float) -> None:
        self._emit(events.DriverAway(at=self._clock.wall(), stage=self._stage, seconds=seconds))

    def _check_time(self) -> None:
        limit = self._policy.stage_timeout_s
        if limit is not None and self._clock.now() - self._started > limit:
            left = self._tasks - len(self._outcomes)
            self._give_up(
                f"the {self._stage} stage",
                f"{left} of {self._tasks} tasks were not done after {limit:g} s",
            )

    async def _refresh(self) -> None:
        """Look who is there now and then; beside the tasks, unless there is nobody to give them to."""
        now = self._clock.now()
        if self._looking is None and now - self._refreshed >= self._fleet.refresh_s:
            self._refreshed = now
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(lambda _: self._wake.set())
        if self._looking is not None and (self._looking.done() or not self._endpoints):
            looking, self._looking = self._looking, None
            await looking
        self._check_endpoints()

    async def _look(self) -> None:
        """Take over who is there; when that cannot be found out, those that are known stay."""
        try:
            async with asyncio.timeout(LOOK_S):
                found = await self._fleet.endpoints(self._stage)
        except FleetGone as exc:
            self._given_up = exc
            return
        except Exception as exc:  # noqa: BLE001 - the tasks that run need no look-up
            said = self._look_failed
            self._look_failed = (
                f"{type(exc).__name__}: {exc}" if not isinstance(exc, FleetError) else str(exc)
            )
            if not said:  # once for all that fail in a row
                self._emit(
                    events.LookFailed(
                        at=self._clock.wall(), stage=self._stage, why=self._look_failed
                    )
                )
            return
        self._look_failed = ""
        appeared, gone = self._endpoints.update(found, self._clock.now())
        if appeared or gone:
            self._wake.set()
            self._emit(
                events.FleetChanged(
                    at=self._clock.wall(),
                    stage=self._stage,
                    appeared=appeared,
                    gone=gone,
                    why=await self._why_gone(gone) if gone else {},
                )
            )

    async def _why_gone(self, gone: tuple[str, ...]) -> dict[str, str]:
        try:
            async with asyncio.timeout(LOOK_S):
                return await self._fleet.why_gone(self._stage, gone)
        except Exception:  # noqa: BLE001 - a diagnosis that fails tells nothing, and ends nothing
            return {}

    def _check_endpoints(self) -> None:
        """Give up when there was no endpoint for too long, and say so while waiting."""
        now = self._awake()
        if self._endpoints:
            self._seen_endpoint = now
            if now - self._worked > self._policy.full_s:
                raise FleetError(
                    f"no {self._stage} service has had a free slot for {now - self._worked:.0f} s; does another run "
                    "use the fleet, or does a task of it hang? See: python -m driver doctor"
                )
            return
        missing_s = now - self._seen_endpoint
        if missing_s > self._policy.no_endpoint_s:
            why = f": {self._look_failed}" if self._look_failed else "; is the fleet running?"
            raise FleetError(f"there has been no {self._stage} service for {missing_s:.0f} s{why}")
        if now - self._said_waiting >= SAY_WAITING_S and missing_s >= SAY_WAITING_S:
            self._said_waiting = now
            self._emit(
                events.WaitingForFleet(
                    at=self._clock.wall(),
                    stage=self._stage,
                    seconds=missing_s,
                    why=self._look_failed,
                )
            )

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
        while self._running.doubled < most_backups(
            self._tasks, self._backups
        ) and self._endpoints.pick(now):
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
        self._names[task.spec.name] += 1
        attempt = Attempt(self._names[task.spec.name], slots.endpoint.name, self._clock.now())
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
        due = [self._waiting.next_due, self._backup_due]
        if self._looking is None:  # a look that is under way wakes the stage when it is over
            due.append(self._refreshed + self._fleet.refresh_s)
        if self._waiting:
            due.append(self._endpoints.next_return(now))
        if self._policy.stage_timeout_s is not None:
            due.append(self._started + self._policy.stage_timeout_s)
        with suppress(TimeoutError):
            first = min((at for at in due if at is not None), default=now + LOOK_S)
            async with asyncio.timeout(max(first - now, 0.001)):
                await self._wake.wait()
        self._wake.clear()

    async def _attempt(self, task: OpenTask, attempt: Attempt, slots: Slots) -> None:
        """Carry out one attempt; no error of it reaches its siblings or the stage."""
        try:
            result = await self._ask(task, attempt, slots.endpoint)
        except NoSlot as exc:
            self._answered = self._awake()
            self._put_back(task, attempt)
            slots.quiet_until = self._clock.now() + wait_for_slot(exc.retry_after_s)
        except NotReached as exc:
            self._endpoint_failed(slots)
            self._not_reached(task, attempt, str(exc))
        except FleetError as exc:  # no task's fault: this fleet is not to be used
            self._running.end(task, attempt)
            self._given_up = exc
        except asyncio.CancelledError:
            self._running.end(task, attempt)
            raise
        except TaskLost as exc:
            self._lost(task, attempt, slots, str(exc))
        except Exception as exc:  # noqa: BLE001 - whatever else goes wrong is a failure of this attempt
            words = str(exc).partition("\n")[0]
            self._lost(
                task,
                attempt,
                slots,
                f"{type(exc).__name__} while {slots.endpoint.name} was asked: {words}",
            )
        else:
            if isinstance(result, TaskError) and result.kind == "Unauthorized":
                self._unauthorized(task, attempt, slots, result)
                return
            self._endpoint_answered(slots)
            if isinstance(result, TaskError):
                self._fail(task, attempt, result)
            else:
                self._succeed(task, attempt, result)
        finally:
            slots.busy -= 1
            self._endpoints.changed(slots)
            self._wake.set()

    async def _ask(
        self, task: OpenTask, attempt: Attempt, endpoint: Endpoint
    ) -> AnyResult | TaskError:
        ears = Ears(
            now=self._clock.now,
            answered=self._note_answer,
            started=self._started_anew,
            progress=lambda event: self._progress(task, attempt, event),
        )
        asked = task.message(attempt.number, self._policy)
        return await listen(self._transport, endpoint, asked, self._policy, ears)

    def _note_answer(self) -> None:
        self._answered = self._worked = self._awake()

    def _awake(self) -> float:
        """Return the time, without the seconds in which this process was away: nobody could answer it then."""
        self._pulse.beat()
        return self._clock.now() - self._pulse.missed_s

    def _put_back(self, task: OpenTask, attempt: Attempt) -> None:
        """Take an attempt for one that never began."""
        task.attempts -= 1
        self._running.end(task, attempt)
        if not task.running and task.spec.index not in self._outcomes:
            self._waiting.put_first(task)

    def _lost(self, task: OpenTask, attempt: Attempt, slots: Slots, why: str) -> None:
        """Count a lost attempt against its task and its endpoint, unless this machine was away meanwhile."""
        error = TaskError(kind="TaskLost", message=why)
        if self._pulse.excuses(attempt.started, EXCUSED_S):
            self._put_back(task, attempt)
            self._say_failed(task, attempt, error, "asked for again: this machine was away")
            return
        self._endpoint_failed(slots)
        self._fail(task, attempt, error)

    def _unauthorized(
        self, task: OpenTask, attempt: Attempt, slots: Slots, error: TaskError
    ) -> None:
        """Leave an endpoint alone that refuses our signature; when none takes it, it is our fault."""
        slots.unauthorized = True
        self._endpoint_failed(slots)
        self._put_back(task, attempt)
        task.failed_on.add(attempt.endpoint)
        then = "asked for elsewhere: the endpoint does not take our signature"
        if self._endpoints.all_refuse(self._clock.now()):
            self._given_up, then = (
                FleetError(error.message),
                "the job fails: no endpoint takes our signature",
            )
        self._say_failed(task, attempt, error, then)

    def _started_anew(self, event: Started) -> None:
        """Say once that each task of the job imports it anew."""
        if event.fresh and not self._said_fresh:
            self._said_fresh = True
            self._emit(
                events.ImportedAnew(at=self._clock.wall(), stage=self._stage, why=event.fresh)
            )

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
                events.CircuitOpened(
                    at=self._clock.wall(), endpoint=name, failures=slots.failures, pause_s=pause
                )
            )

    def _endpoint_answered(self, slots: Slots) -> None:
        if slots.failures >= self._policy.breaker_failures:
            self._emit(events.CircuitClosed(at=self._clock.wall(), endpoint=slots.endpoint.name))
        slots.failures = 0
        slots.unauthorized = False

    def _succeed(self, task: OpenTask, attempt: Attempt, result: AnyResult) -> None:
        self._running.end(task, attempt)
        if task.spec.index in self._outcomes:
            return  # another attempt was faster by a moment; this one's objects have a name of their own
        if not self._take_skipped(task, result):
            return
        seconds = self._clock.now() - attempt.started
        outcome = Outcome(task.spec, result, task.attempts, attempt.endpoint, seconds)
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
            name = f"{task.spec.name} ({task.spec.reads})" if task.spec.reads else task.spec.name
            self._give_up(name, decision.why)
        elif self._failures > (budget := stage_budget(self._tasks, self._policy)):
            then = "the job fails: too many failures"
            self._give_up(
                task.spec.name,
                f"the stage has seen more than {budget} failures, so something general is wrong",
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
        if self._awake() - self._answered > self._policy.unreachable_s:
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
                        at=self._clock.wall(),
                        task=task.spec.name,
                        place=record.place,
                        message=message,
                    )
                )
        if len(self._set_aside) <= (limit := self._policy.skip_bad_records):
            return True
        self._give_up(
            "the map stage", too_many(limit, [record.place for record in self._set_aside])
        )
        return False

    def _give_up(self, what: str, why: str) -> None:
        failures = {failed.spec.name: failed.failures for failed in self._failed.values()}
        self._given_up = StageFailed(
            _grouped(what, why, failures), failures, list(self._outcomes.values())
        )

    async def _cancel(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        for attempt in self._attempts:
            attempt.cancel()
        await asyncio.gather(*self._attempts, return_exceptions=True)


def _grouped(task: str, why: str, failures: dict[str, list[TaskError]]) -> str:
    """All failures of a stage by cause, the most frequent first."""
    causes = Counter(
        (error.kind, error.message) for errors in failures.values() for error in errors
    )
    lines = [f"{task} could not be done: {why}."]
    lines += [f"  {count} x {kind}: {message}" for (kind, message), count in causes.most_common()]
    return "\n".join(lines)
