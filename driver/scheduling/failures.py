"""Decides what follows a failed attempt: a retry, a pause of the endpoint, or the stage's end.

The limits are the policy's. Nothing here starts an attempt.
"""

from __future__ import annotations

from collections.abc import Callable

from driver.plan.clock import Clock
from driver.plan.outcomes import AnyResult
from driver.scheduling.attempts import Attempt, OpenTask, StageTasks
from driver.scheduling.endpoints import Endpoints, Slots
from driver.scheduling.policy import (
    GiveUp,
    RetryPolicy,
    after_failure,
    endpoint_pause,
    stage_budget,
)
from driver.scheduling.pulse import Pulse
from driver.scheduling.stage_events import StageEvents
from mapreduce.engine.bad_records import too_many
from mapreduce.errors import FleetError, StageFailed
from mapreduce.wire.messages import MapResult, SkippedRecord, TaskError

EXCUSED_S = 30.0
"""Seconds after a pause of this process in which lost attempts are attributed to the pause."""
SKIPPED_SAID = 100
"""How many skipped records a stage reports as events; the dead letters hold all."""


class Failures:
    """The failures of a stage.

    Args:
        tasks: the stage's tasks.
        endpoints: the stage's endpoints.
        policy: the limits.
        tell: the stage's events.
        clock: the time.
        pulse: knows the pauses of this process.
        jitter: a random number from 0 to 1, to spread retries of attempts that failed together.

    Attributes:
        given_up: why the stage ends, once it does.
    """

    def __init__(
        self,
        tasks: StageTasks,
        endpoints: Endpoints,
        policy: RetryPolicy,
        tell: StageEvents,
        clock: Clock,
        pulse: Pulse,
        jitter: Callable[[], float],
    ) -> None:
        self.given_up: StageFailed | FleetError | None = None
        self._tasks = tasks
        self._endpoints = endpoints
        self._policy = policy
        self._tell = tell
        self._clock = clock
        self._pulse = pulse
        self._jitter = jitter
        self._failed: dict[int, OpenTask] = {}
        self._count = 0
        self._set_aside: list[SkippedRecord] = []
        self._answered = pulse.awake()

    def note_answer(self) -> None:
        """Note that an endpoint has answered, with any answer."""
        self._answered = self._pulse.awake()

    def failed(self, task: OpenTask, attempt: Attempt, error: TaskError) -> None:
        """Count a failure against its task, and try the task again or give the stage up."""
        self._tasks.running.end(task, attempt)
        if self._tasks.is_done(task):
            return
        self._count += 1
        task.failures.append(error)
        task.failed_on.add(attempt.endpoint)
        self._failed.setdefault(task.spec.index, task)
        self._tell.failed(task, attempt, error, self._what_follows(task))

    def lost(self, task: OpenTask, attempt: Attempt, slots: Slots, why: str) -> None:
        """Count a lost attempt against its task and endpoint, unless this process was suspended."""
        error = TaskError(kind="TaskLost", message=why)
        if self._pulse.excuses(attempt.started, EXCUSED_S):
            self._tasks.put_back(task, attempt)
            self._tell.failed(task, attempt, error, "run again: this machine was suspended")
            return
        self.endpoint_failed(slots)
        self.failed(task, attempt, error)

    def not_reached(self, task: OpenTask, attempt: Attempt, slots: Slots, why: str) -> None:
        """Put the task back without counting a failure: nothing of it has begun.

        It counts as failed when no endpoint has answered for too long.
        """
        self.endpoint_failed(slots)
        error = TaskError(kind="TaskLost", message=why)
        if self._pulse.awake() - self._answered > self._policy.unreachable_s:
            self.failed(task, attempt, error)
            return
        self._tasks.running.end(task, attempt)
        if self._tasks.is_done(task):
            return
        task.failed_on.add(attempt.endpoint)
        if not task.running:
            self._tasks.waiting.put_first(task)
        self._tell.failed(task, attempt, error, "run again: nothing had begun")

    def unauthorized(
        self, task: OpenTask, attempt: Attempt, slots: Slots, error: TaskError
    ) -> None:
        """Pause an endpoint that has another key; end the stage when every endpoint has."""
        slots.unauthorized = True
        self.endpoint_failed(slots)
        self._tasks.put_back(task, attempt)
        task.failed_on.add(attempt.endpoint)
        then = "run elsewhere: the endpoint does not have our signing key"
        if self._endpoints.all_refuse(self._clock.now()):
            self.given_up = FleetError(error.message)
            then = "the job fails: no endpoint has our signing key"
        self._tell.failed(task, attempt, error, then)

    def endpoint_failed(self, slots: Slots) -> None:
        """Pause an endpoint, longer for each failure in a row."""
        slots.failures += 1
        pause = endpoint_pause(slots.failures, self._policy, self._jitter())
        slots.quiet_until = self._clock.now() + pause
        if slots.failures >= self._policy.breaker_failures:
            self._tell.circuit_opened(slots.endpoint.name, slots.failures, pause)

    def endpoint_answered(self, slots: Slots) -> None:
        """Clear the failures of an endpoint that has finished a task."""
        if slots.failures >= self._policy.breaker_failures:
            self._tell.circuit_closed(slots.endpoint.name)
        slots.failures = 0
        slots.unauthorized = False

    def take_skipped(self, task: OpenTask, result: AnyResult) -> bool:
        """Count the records that a task has set aside; return whether the stage may go on."""
        for record in result.skipped if isinstance(result, MapResult) else ():
            self._set_aside.append(record)
            if len(self._set_aside) <= SKIPPED_SAID:
                self._tell.skipped(task, record)
        if len(self._set_aside) <= (limit := self._policy.skip_bad_records):
            return True
        self.give_up("the map stage", too_many(limit, [each.place for each in self._set_aside]))
        return False

    def give_up(self, what: str, why: str) -> None:
        """End the stage, with every failure that it has seen.

        Args:
            what: the task or the stage that failed.
            why: the limit that was reached.
        """
        failures = {task.spec.name: tuple(task.failures) for task in self._failed.values()}
        self.given_up = StageFailed(f"{what} could not be done: {why}.", failures)

    def _what_follows(self, task: OpenTask) -> str:
        decision = after_failure(task.failures, self._policy, self._jitter())
        if isinstance(decision, GiveUp):
            reads = f" ({task.spec.reads})" if task.spec.reads else ""
            self.give_up(f"{task.spec.name}{reads}", decision.why)
            return f"given up: {decision.why}"
        if self._count > (budget := stage_budget(self._tasks.total, self._policy)):
            seen = f"the stage has seen more than {budget} failures"
            self.give_up(task.spec.name, f"{seen}, so something general is wrong")
            return "the job fails: too many failures"
        if task.running:
            return "another attempt at it is running"
        task.not_before = self._clock.now() + decision.delay_s
        self._tasks.waiting.put_last(task)
        return f"tried again in {decision.delay_s:.1f} s"
