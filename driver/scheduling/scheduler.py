"""The loop of one stage: keeps every endpoint's slots full until each task has a result.

It holds no policy: `failures` and `policy` decide what follows a failure. Clock and random numbers
are arguments.
"""

from __future__ import annotations

import asyncio
import bisect
import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

from driver.plan.clock import Clock
from driver.plan.events import Observer
from driver.plan.outcomes import AnyResult, Outcome
from driver.plan.tasks import TaskSpec
from driver.scheduling.attempts import Attempt, OpenTask, StageTasks
from driver.scheduling.endpoints import Endpoints, Slots
from driver.scheduling.failures import Failures
from driver.scheduling.fleet_watch import LOOK_S, FleetWatch
from driver.scheduling.listening import Ears, listen
from driver.scheduling.policy import (
    Allowance,
    BackupPolicy,
    RetryPolicy,
    backup_after,
    most_backups,
    wait_for_slot,
)
from driver.scheduling.pulse import TICK_S, Pulse
from driver.scheduling.stage_events import StageEvents
from driver.transport.base import NoSlot, NotReached, Transport
from driver.transport.endpoint import Endpoint, Fleet
from mapreduce.errors import FleetError, TaskLost, Unauthorized
from mapreduce.wire.messages import StageName, Started, TaskError


class StageRun:
    """Runs the tasks of one stage, once.

    Args:
        stage: the stage.
        fleet: returns the endpoints.
        transport: reaches them.
        policy: the limits of failures.
        emit: receives the events.
        clock: the time.
        done: called with each outcome as it comes, before the next task starts on its slot.
        backups: when a straggler gets a backup.
        names: how many attempts each task has had in this run, by its name: no two attempts share a
            number, even when a stage runs again.
        jitter: a random number from 0 to 1.
        allowance: what the run may still spend; None without a limit. Once it refuses an attempt,
            no other begins, those that run end, and then the stage does.
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
        jitter: Callable[[], float] = random.random,
        allowance: Allowance | None = None,
    ) -> None:
        self._stage: StageName = stage
        self._allowance = allowance
        self._is_held = False
        self._transport = transport
        self._policy = policy
        self._backups = backups or BackupPolicy()
        self._clock = clock
        self._done = done
        self._names = Counter[str]() if names is None else names
        self._wake = asyncio.Event()
        self._tasks = StageTasks(())
        self._backup_due: float | None = None
        self._attempts: set[asyncio.Task[None]] = set()
        self._finished_s: list[float] = []  # ascending
        self._said_fresh = False
        self._started = clock.now()
        self._tell = StageEvents(stage, emit, clock)
        away = self._tell.away if policy.tells_pauses else _untold
        self._pulse = Pulse(clock.now, clock.wall, away)
        self._endpoints = Endpoints(policy)
        self._failures = Failures(
            self._tasks, self._endpoints, policy, self._tell, clock, self._pulse, jitter
        )
        self._watch = FleetWatch(
            stage,
            fleet,
            self._endpoints,
            policy,
            self._tell,
            clock,
            self._pulse.awake,
            self._wake.set,
        )

    async def run(self, specs: Sequence[TaskSpec]) -> list[Outcome]:
        """Run the tasks; return the outcomes, in the order of the tasks.

        Raises:
            StageFailed: a task used up its attempts, or the stage its failures or its time.
            FleetError: there is no endpoint, or none accepts our signature.
            LimitReached: the allowance has refused an attempt, and those that ran have ended.
        """
        # the largest first, so that the last ones to start are short
        self._tasks.take(sorted(specs, key=lambda spec: -spec.size_bytes))
        ticking = asyncio.create_task(self._tick())
        try:
            while len(self._tasks.outcomes) < len(specs):
                if self._failures.given_up:
                    raise self._failures.given_up
                self._check_time()
                await self._watch.refresh()
                self._assign()
                self._assign_backups()
                self._check_allowance()
                await self._pause()
        finally:
            ticking.cancel()
            await self._cancel()
        return [self._tasks.outcomes[spec.index] for spec in specs]

    async def _tick(self) -> None:
        """Detect pauses of this process."""
        while True:
            await asyncio.sleep(TICK_S)
            self._pulse.beat()

    def _check_time(self) -> None:
        limit = self._policy.stage_timeout_s
        if limit is not None and self._clock.now() - self._started > limit:
            total = self._tasks.total
            left = total - len(self._tasks.outcomes)
            why = f"{left} of {total} tasks were not done after {limit:g} s"
            self._failures.give_up(f"the {self._stage} stage", why)

    def _may_start(self) -> bool:
        """Return whether the allowance lets another attempt begin; once it does not, none does."""
        if self._allowance is None or self._is_held:
            return not self._is_held
        now = self._clock.now()
        running_s = [now - started for started in self._tasks.running.started]
        longest_s = self._finished_s[-1] if self._finished_s else None
        self._is_held = not self._allowance.another(self._stage, running_s, longest_s)
        return not self._is_held

    def _check_allowance(self) -> None:
        """End the stage at its limit, once no attempt runs any more; raises `LimitReached`."""
        left = self._tasks.total - len(self._tasks.outcomes)
        if self._is_held and self._allowance and left and not self._tasks.running.started:
            raise self._allowance.reached(left, self._stage)

    def _assign(self) -> None:
        """Give each free slot a waiting task."""
        now = self._clock.now()
        while task := self._tasks.waiting.first(now):
            slots = self._endpoints.pick(now, task.failed_on)
            if slots is None or not self._may_start():
                return
            self._tasks.waiting.take_first()
            self._launch(task, slots)

    def _assign_backups(self) -> None:
        """Start backups of stragglers, when no task waits."""
        self._backup_due = None
        running = self._tasks.running
        after = backup_after(self._finished_s, self._tasks.total, self._backups)
        if self._tasks.waiting or after is None or self._is_held:
            return
        now = self._clock.now()
        # taken from the heap, but not started: they go back at the end
        stay: list[tuple[OpenTask, Attempt]] = []
        most = most_backups(self._tasks.total, self._backups)
        while running.doubled < most and self._endpoints.pick(now):
            longest = running.take_longest()
            if longest is None:
                break
            task, attempt = longest
            if now - attempt.started < after:
                stay.append(longest)
                self._backup_due = attempt.started + after
                break
            slots = self._endpoints.pick(now, task.failed_on, besides=attempt.endpoint)
            if slots is None or not self._may_start():
                stay.append(longest)
            else:
                self._launch(task, slots)
        for task, attempt in stay:
            running.put_back(task, attempt)

    def _launch(self, task: OpenTask, slots: Slots) -> None:
        slots.busy += 1
        self._endpoints.changed(slots)
        task.attempts += 1
        self._names[task.spec.name] += 1
        number = self._names[task.spec.name]
        attempt = Attempt(number, slots.endpoint.name, self._clock.now())
        self._tell.started(task, attempt)
        self._tasks.running.begin(task, attempt)
        attempt.handle = asyncio.create_task(self._attempt(task, attempt, slots))
        self._attempts.add(attempt.handle)
        attempt.handle.add_done_callback(self._attempts.discard)

    async def _pause(self) -> None:
        """Wait until an event wakes the stage, or the next step is due."""
        now = self._clock.now()
        due = [self._tasks.waiting.next_due, self._backup_due, self._watch.next_look]
        if self._tasks.waiting:
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
            self._failures.note_answer()
            self._watch.note_answer()
            self._tasks.put_back(task, attempt)
            self._tell.refused(task, attempt)
            slots.quiet_until = self._clock.now() + wait_for_slot(exc.retry_after_s)
        except NotReached as exc:
            self._watch.note_unreached()
            self._failures.not_reached(task, attempt, slots, str(exc))
        except FleetError as exc:  # not the task's fault: this fleet cannot be used
            self._tasks.running.end(task, attempt)
            self._failures.given_up = exc
        except asyncio.CancelledError:
            self._tasks.running.end(task, attempt)
            raise
        except TaskLost as exc:
            self._failures.lost(task, attempt, slots, str(exc))
        except Exception as exc:  # noqa: BLE001 - any other error fails this attempt
            words = str(exc).partition("\n")[0]
            why = f"{type(exc).__name__} while {slots.endpoint.name} was asked: {words}"
            self._failures.lost(task, attempt, slots, why)
        else:
            self._take(task, attempt, slots, result)
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
            progress=lambda event: self._tell.progress(task, attempt, event),
            said=lambda event: self._tell.said(task, attempt, event),
        )
        asked = task.message(attempt.number, self._policy)
        return await listen(self._transport, endpoint, asked, self._policy, ears)

    def _note_answer(self) -> None:
        self._failures.note_answer()
        self._watch.note_work()

    def _started_anew(self, event: Started) -> None:
        """Report once that each task of the job imports it again."""
        if event.fresh and not self._said_fresh:
            self._said_fresh = True
            self._tell.imported_anew(event.fresh)

    def _take(
        self, task: OpenTask, attempt: Attempt, slots: Slots, result: AnyResult | TaskError
    ) -> None:
        """Take the last event of an attempt: its result, or its error."""
        if not isinstance(result, TaskError):
            self._failures.endpoint_answered(slots)
            self._succeed(task, attempt, result)
        elif issubclass(result.cause, Unauthorized):
            self._failures.unauthorized(task, attempt, slots, result)
        else:
            self._failures.endpoint_answered(slots)
            self._failures.failed(task, attempt, result)

    def _succeed(self, task: OpenTask, attempt: Attempt, result: AnyResult) -> None:
        self._tasks.running.end(task, attempt)
        if self._tasks.is_done(task):
            return  # another attempt was faster; this one's objects have other names
        if not self._failures.take_skipped(task, result):
            return
        seconds = self._clock.now() - attempt.started
        outcome = Outcome(task.spec, result, task.attempts, attempt.endpoint, seconds)
        self._tasks.outcomes[task.spec.index] = outcome
        bisect.insort(self._finished_s, seconds)
        self._tell.done(task, attempt, seconds, result)
        for other in list(task.running.values()):
            assert other.handle is not None
            other.handle.cancel()
            self._tell.cancelled(task, other)
        self._done(outcome)

    async def _cancel(self) -> None:
        await self._watch.close()
        for attempt in self._attempts:
            attempt.cancel()
        await asyncio.gather(*self._attempts, return_exceptions=True)


def _untold(_seconds: float) -> None:
    """Tell nothing of a pause."""
