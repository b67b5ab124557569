"""Reads the answer to one attempt, and ends in bounded time, whatever the endpoint sends.

It holds no policy of failures: it raises `TaskLost` for every answer that does not end well.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from driver.plan.tasks import AnyTask
from driver.scheduling.policy import RetryPolicy
from driver.scheduling.silence import Silence
from driver.transport.answers import AnyResult, check_answer, check_event
from driver.transport.base import Transport
from driver.transport.endpoint import Endpoint
from mapreduce.errors import TaskLost
from mapreduce.wire.messages import PRINTED_LINES, Done, Progress, Said, Started, TaskError

EVENTS_PER_SECOND = 20
EVENTS_AT_ONCE = 200
"""Limits of an answer's events: a worker sends one a second; an endpoint that sends far more is
not a service of ours."""


@dataclass(frozen=True, slots=True)
class Ears:
    """The callbacks for an answer's events.

    Attributes:
        now: the time, in seconds.
        answered: called for every event.
        started: called when a worker has the task.
        progress: called for every heartbeat.
        said: called for the lines that the job prints.
    """

    now: Callable[[], float]
    answered: Callable[[], None]
    started: Callable[[Started], None]
    progress: Callable[[Progress], None]
    said: Callable[[Said], None]


async def listen(
    transport: Transport, endpoint: Endpoint, asked: AnyTask, policy: RetryPolicy, ears: Ears
) -> AnyResult | TaskError:
    """Send a task to an endpoint, and return its result or its error.

    Raises:
        NoSlot: the endpoint is full.
        NotReached: it cannot be connected to.
        TaskLost: it fell silent, made no progress, sent too much, or sent an event of another task.
    """
    limits = _Limits(endpoint.name, policy.stall_timeout_s, ears.now)
    nonce: str | None = None
    async with (
        Silence(policy.heartbeat_timeout_s, endpoint.name) as silence,
        aclosing(transport.run(endpoint, asked, silence.heard)) as answers,
    ):
        async for event in answers:
            silence.heard()
            ears.answered()
            limits.count()
            nonce = check_event(asked, event, nonce)
            if isinstance(event, Started):
                ears.started(event)
            elif isinstance(event, Progress):
                limits.check_progress(event)
                ears.progress(event)
            elif isinstance(event, Said):
                limits.check_said(event)
                ears.said(event)
            elif isinstance(event, Done):
                check_answer(asked, event.result)
                return event.result
            else:
                return event.error
    raise TaskLost(f"{endpoint.name} ended its answer before the task was done")


class _Limits:
    """The limits of an answer: events, and seconds without progress.

    Args:
        who: the endpoint.
        stall_s: how long progress may stand still.
        now: the time.
    """

    def __init__(self, who: str, stall_s: float, now: Callable[[], float]) -> None:
        self._who = who
        self._stall_s = stall_s
        self._now = now
        self._began = self._moved = now()
        self._events = 0
        self._seen = (0, 0, "")
        self._lines = 0

    def count(self) -> None:
        """Count an event; raises `TaskLost` when there are too many."""
        self._events += 1
        if self._events > EVENTS_AT_ONCE + EVENTS_PER_SECOND * (self._now() - self._began):
            raise TaskLost(
                f"{self._who} sent {self._events} events in {self._now() - self._began:.0f} s"
            )

    def check_said(self, event: Said) -> None:
        """Raise `TaskLost` when the job's lines are more than a service sends."""
        self._lines += len(event.lines)
        if self._lines > PRINTED_LINES:
            raise TaskLost(f"{self._who} sent {self._lines} lines that the job has printed")

    def check_progress(self, event: Progress) -> None:
        """Raise `TaskLost` when there was no progress for too long."""
        seen = (event.bytes, event.records, event.status)
        if seen != self._seen:
            self._seen, self._moved = seen, self._now()
        elif self._now() - self._moved > self._stall_s:
            raise TaskLost(f"{self._who} made no progress for {self._stall_s:g} s")
