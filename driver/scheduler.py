"""One stage's loop: keeps every endpoint's slots full until each task has a result, or one is out of attempts.

It holds no policy: what follows a failure is `policy`'s to say. It has no clock of its own either.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

from driver import events
from driver.events import Observer
from driver.fleet.base import Endpoint, Fleet
from driver.planning import TaskSpec
from driver.policy import GiveUp, RetryPolicy, after_failure, endpoint_pause
from driver.transport import NoSlot, Transport
from mapreduce.errors import FleetError, JobFailed, TaskLost
from mapreduce.messages import (
    Done,
    Failed,
    MapResult,
    Progress,
    ReduceResult,
    SplitResult,
    StageName,
    TaskError,
)

AnyResult = SplitResult | MapResult | ReduceResult
NO_ENDPOINT_S = 60.0
"""How long a stage waits while there is no endpoint at all."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished task: its result, and who did it in how many attempts; `reused` when an earlier run did."""

    spec: TaskSpec
    result: AnyResult
    attempts: int
    endpoint: str
    seconds: float
    reused: bool = False


@dataclass(frozen=True, slots=True)
class Clock:
    """The two clocks of a run: `now` for waiting and measuring, `wall` for what people read."""

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


@dataclass(slots=True)
class _Task:
    spec: TaskSpec
    attempts: int = 0
    failures: list[TaskError] = field(default_factory=list)
    failed_on: set[str] = field(default_factory=set)
    not_before: float = 0.0


@dataclass(slots=True)
class _Slots:
    endpoint: Endpoint
    busy: int = 0
    failures: int = 0
    quiet_until: float = 0.0


class StageFailed(JobFailed):
    """A task used up its attempts; `failures` holds every failure of the stage, by task."""

    def __init__(self, message: str, failures: dict[str, list[TaskError]]) -> None:
        super().__init__(message)
        self.failures = failures


class StageRun:
    """Runs the tasks of one stage.

    Args:
        stage: which.
        fleet: tells the endpoints.
        transport: reaches them.
        policy: the limits.
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
    ) -> None:
        self._stage: StageName = stage
        self._fleet = fleet
        self._transport = transport
        self._policy = policy
        self._emit = emit
        self._clock = clock
        self._done = done
        self._wake = asyncio.Event()
        self._slots: dict[str, _Slots] = {}
        self._waiting: list[_Task] = []
        self._attempts: set[asyncio.Task[None]] = set()
        self._outcomes: dict[int, Outcome] = {}
        self._failed: list[_Task] = []
        self._given_up: StageFailed | None = None
        self._refreshed = -1e9
        self._seen_endpoint = clock.now()

    async def run(self, tasks: Sequence[TaskSpec]) -> list[Outcome]:
        """The outcomes, in the order of the tasks.

        Raises:
            StageFailed: a task used up its attempts.
            FleetError: there is no endpoint to ask.
        """
        # the largest first: what is started last should be short
        self._waiting = [_Task(spec) for spec in sorted(tasks, key=lambda spec: -spec.size_bytes)]
        try:
            while len(self._outcomes) < len(tasks):
                if self._given_up:
                    raise self._given_up
                await self._refresh()
                self._assign()
                await self._pause()
        finally:
            await self._cancel()
        return [self._outcomes[spec.index] for spec in tasks]

    async def _refresh(self) -> None:
        now = self._clock.now()
        if now - self._refreshed < self._fleet.refresh_s:
            return
        found = {endpoint.name: endpoint for endpoint in await self._fleet.endpoints(self._stage)}
        self._refreshed = now
        appeared = tuple(name for name in found if name not in self._slots)
        gone = tuple(name for name in self._slots if name not in found)
        for name in appeared:
            self._slots[name] = _Slots(found[name])
        for name in gone:
            del self._slots[name]
        if self._slots:
            self._seen_endpoint = now
        elif now - self._seen_endpoint > NO_ENDPOINT_S:
            raise FleetError(
                f"there has been no {self._stage} service for {NO_ENDPOINT_S:.0f} s; is the fleet running?"
            )
        if appeared or gone:
            why = await self._fleet.why_gone(self._stage, gone) if gone else {}
            self._emit(
                events.FleetChanged(at=self._clock.wall(), stage=self._stage, appeared=appeared, gone=gone, why=why)
            )

    def _assign(self) -> None:
        now = self._clock.now()
        for task in [task for task in self._waiting if task.not_before <= now]:
            slots = self._pick(task, now)
            if slots is None:
                return
            self._waiting.remove(task)
            slots.busy += 1
            task.attempts += 1
            attempt = asyncio.create_task(self._attempt(task, slots))
            self._attempts.add(attempt)
            attempt.add_done_callback(self._attempts.discard)

    def _pick(self, task: _Task, now: float) -> _Slots | None:
        """The endpoint with most room; one that the task has not failed on, if there is any."""
        free = [s for s in self._slots.values() if s.busy < s.endpoint.slots and s.quiet_until <= now]
        if not free:
            return None
        return min(free, key=lambda s: (s.endpoint.name in task.failed_on, s.failures, s.busy / s.endpoint.slots))

    async def _pause(self) -> None:
        """Until something has happened, or the next thing is due."""
        now = self._clock.now()
        due = [self._refreshed + self._fleet.refresh_s]
        due += [task.not_before for task in self._waiting if task.not_before > now]
        if self._waiting:
            due += [slots.quiet_until for slots in self._slots.values() if slots.quiet_until > now]
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), max(min(due) - now, 0.001))
        self._wake.clear()

    async def _attempt(self, task: _Task, slots: _Slots) -> None:
        """One attempt; catches its own errors, so that its siblings go on."""
        started = self._clock.now()
        number = task.attempts
        name, endpoint = task.spec.name, slots.endpoint
        self._emit(events.AttemptStarted(at=self._clock.wall(), task=name, attempt=number, endpoint=endpoint.name))
        try:
            result = await self._ask(task, number, endpoint)
        except NoSlot as exc:
            task.attempts -= 1
            self._waiting.insert(0, task)
            slots.quiet_until = self._clock.now() + exc.retry_after_s
        except TaskLost as exc:
            slots.failures += 1
            pause = endpoint_pause(slots.failures, self._policy, random.random())
            slots.quiet_until = self._clock.now() + pause
            self._fail(task, number, endpoint, TaskError(kind="TaskLost", message=str(exc)))
        else:
            slots.failures = 0
            if isinstance(result, TaskError):
                self._fail(task, number, endpoint, result)
            else:
                self._succeed(task, number, endpoint, result, self._clock.now() - started)
        finally:
            slots.busy -= 1
            self._wake.set()

    async def _ask(self, task: _Task, number: int, endpoint: Endpoint) -> AnyResult | TaskError:
        message = task.spec.message(str(number - 1))
        async with aclosing(self._transport.run(endpoint, message)) as answers:
            async for event in answers:
                if isinstance(event, Progress):
                    self._emit(
                        events.AttemptProgress(
                            at=self._clock.wall(),
                            task=task.spec.name,
                            attempt=number,
                            bytes=event.bytes,
                            records=event.records,
                            status=event.status,
                        )
                    )
                elif isinstance(event, Done):
                    return event.result
                elif isinstance(event, Failed):
                    return event.error
        raise TaskLost(f"{endpoint.name} ended its answer before the task was done")

    def _succeed(self, task: _Task, number: int, endpoint: Endpoint, result: AnyResult, seconds: float) -> None:
        outcome = Outcome(task.spec, result, number, endpoint.name, seconds)
        self._outcomes[task.spec.index] = outcome
        self._emit(
            events.AttemptDone(
                at=self._clock.wall(),
                task=task.spec.name,
                attempt=number,
                endpoint=endpoint.name,
                seconds=seconds,
                size_bytes=task.spec.size_bytes,
            )
        )
        self._done(outcome)

    def _fail(self, task: _Task, number: int, endpoint: Endpoint, error: TaskError) -> None:
        task.failures.append(error)
        task.failed_on.add(endpoint.name)
        if task not in self._failed:
            self._failed.append(task)
        decision = after_failure(task.failures, self._policy, random.random())
        if isinstance(decision, GiveUp):
            then = f"the job fails: {decision.why}"
            failures = {failed.spec.name: failed.failures for failed in self._failed}
            self._given_up = StageFailed(_grouped(task.spec.name, decision.why, failures), failures)
        else:
            then = f"tried again in {decision.delay_s:.1f} s"
            task.not_before = self._clock.now() + decision.delay_s
            self._waiting.append(task)
        self._emit(
            events.AttemptFailed(
                at=self._clock.wall(),
                task=task.spec.name,
                attempt=number,
                endpoint=endpoint.name,
                kind=error.kind,
                message=error.message,
                then=then,
            )
        )

    async def _cancel(self) -> None:
        for attempt in self._attempts:
            attempt.cancel()
        await asyncio.gather(*self._attempts, return_exceptions=True)


def _grouped(task: str, why: str, failures: dict[str, list[TaskError]]) -> str:
    """All failures of a stage by cause, the most frequent first."""
    causes = Counter((error.kind, error.message) for errors in failures.values() for error in errors)
    lines = [f"{task} could not be done: {why}."]
    lines += [f"  {count} x {kind}: {message}" for (kind, message), count in causes.most_common()]
    return "\n".join(lines)
