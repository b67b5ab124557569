"""The open tasks of a stage: waiting and running tasks, their attempts and their failures.

Keeps queues and heaps, so that each event of a stage costs O(log n) and not O(tasks).
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from driver.plan.outcomes import Outcome
from driver.plan.tasks import AnyTask, TaskSpec
from driver.scheduling.policy import RetryPolicy
from mapreduce.wire.messages import MapTask, TaskError


@dataclass(slots=True)
class Attempt:
    """One attempt that runs."""

    number: int
    endpoint: str
    started: float
    handle: asyncio.Task[None] | None = None


@dataclass(slots=True)
class OpenTask:
    """A task without a result yet.

    Attributes:
        attempts: those that have begun, as far as is known.
        not_before: when the next attempt may begin, by the clock's `now`.
    """

    spec: TaskSpec
    attempts: int = 0
    failures: list[TaskError] = field(default_factory=list)
    failed_on: set[str] = field(default_factory=set)
    not_before: float = 0.0
    running: dict[int, Attempt] = field(default_factory=dict)

    def message(self, number: int, policy: RetryPolicy) -> AnyTask:
        """Return the message of an attempt."""
        asked = self.spec.attempt(number)
        skipping = policy.skip_bad_records and isinstance(asked, MapTask)
        return (
            asked.model_copy(update={"skip_limit": policy.skip_bad_records}) if skipping else asked
        )


class Waiting:
    """The tasks that wait for a slot, in order; tasks to be tried again come last.

    Args:
        tasks: in that order.
    """

    def __init__(self, tasks: Iterable[OpenTask]) -> None:
        self._ready = deque(tasks)
        self._later: list[tuple[float, int, OpenTask]] = []
        self._delayed = 0

    def __len__(self) -> int:
        return len(self._ready) + len(self._later)

    def add(self, task: OpenTask) -> None:
        """Add a task at the end of the queue."""
        self._ready.append(task)

    def first(self, now: float) -> OpenTask | None:
        """Return the first task that may run now; None when there is none."""
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[2])
        return self._ready[0] if self._ready else None

    def take_first(self) -> None:
        """Remove the first task: it has its slot."""
        self._ready.popleft()

    def put_first(self, task: OpenTask) -> None:
        """Put a task back in front: there was no slot after all."""
        self._ready.appendleft(task)

    def put_last(self, task: OpenTask) -> None:
        """Put a task back to be tried again, not before its time."""
        self._delayed += 1
        heapq.heappush(self._later, (task.not_before, self._delayed, task))

    @property
    def next_due(self) -> float | None:
        """When the next delayed task may be tried; None without one."""
        return self._later[0][0] if self._later else None


class Running:
    """The tasks that run, and a heap of those with one attempt, the longest running first."""

    def __init__(self) -> None:
        self.doubled = 0
        """How many have two attempts."""
        self._tasks: dict[int, OpenTask] = {}
        # a heap of (start, task, attempt); entries of ended attempts are skipped when they come up
        self._alone: list[tuple[float, int, int]] = []

    @property
    def started(self) -> list[float]:
        """When each running attempt began."""
        return [
            attempt.started for task in self._tasks.values() for attempt in task.running.values()
        ]

    def begin(self, task: OpenTask, attempt: Attempt) -> None:
        """Add an attempt at a task."""
        task.running[attempt.number] = attempt
        self._tasks[task.spec.index] = task
        if len(task.running) == 1:
            self.put_back(task, attempt)
        elif len(task.running) == 2:
            self.doubled += 1

    def end(self, task: OpenTask, attempt: Attempt) -> None:
        """Remove an attempt."""
        if task.running.pop(attempt.number, None) is None:
            return
        if not task.running:
            del self._tasks[task.spec.index]
        elif len(task.running) == 1:
            self.doubled -= 1
            self.put_back(task, next(iter(task.running.values())))

    def take_longest(self) -> tuple[OpenTask, Attempt] | None:
        """Return the longest running task with one attempt, and remove it until `put_back`."""
        while self._alone:
            _, index, number = heapq.heappop(self._alone)
            task = self._tasks.get(index)
            if task and set(task.running) == {number}:
                return task, task.running[number]
        return None

    def put_back(self, task: OpenTask, attempt: Attempt) -> None:
        """Enter a task with one attempt into the heap again."""
        heapq.heappush(self._alone, (attempt.started, task.spec.index, attempt.number))


class StageTasks:
    """The tasks of a stage: those that wait, those that run, and the outcomes of finished ones.

    Args:
        specs: the tasks, in the order in which they get a slot.
    """

    def __init__(self, specs: Iterable[TaskSpec]) -> None:
        self.total = 0
        self.waiting = Waiting(())
        self.running = Running()
        self.outcomes: dict[int, Outcome] = {}
        self.take(specs)

    def take(self, specs: Iterable[TaskSpec]) -> None:
        """Add tasks."""
        for spec in specs:
            self.total += 1
            self.waiting.add(OpenTask(spec))

    def is_done(self, task: OpenTask) -> bool:
        """Return whether an attempt at the task has given its result."""
        return task.spec.index in self.outcomes

    def put_back(self, task: OpenTask, attempt: Attempt) -> None:
        """Treat an attempt as one that never began."""
        task.attempts -= 1
        self.running.end(task, attempt)
        if not task.running and not self.is_done(task):
            self.waiting.put_first(task)
