"""What a stage knows of its tasks while they are open: who waits, who runs, their attempts and their failures.

Whatever is asked for at each event of a stage is found without a look at all of its tasks.
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
    """

    spec: TaskSpec
    attempts: int = 0
    failures: list[TaskError] = field(default_factory=list)
    failed_on: set[str] = field(default_factory=set)
    not_before: float = 0.0
    running: dict[int, Attempt] = field(default_factory=dict)

    def message(self, number: int, policy: RetryPolicy) -> AnyTask:
        """What an attempt is asked."""
        asked = self.spec.attempt(number)
        skipping = policy.skip_bad_records and isinstance(asked, MapTask)
        return (
            asked.model_copy(update={"skip_limit": policy.skip_bad_records}) if skipping else asked
        )


class Waiting:
    """The tasks that wait for a slot, in the order in which they will have one; those to be tried again come last.

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
        """Add a task behind those that are there."""
        self._ready.append(task)

    def first(self, now: float) -> OpenTask | None:
        """Whose turn it is, if there is anybody who need not wait any longer."""
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[2])
        return self._ready[0] if self._ready else None

    def take_first(self) -> None:
        """The first has got its slot."""
        self._ready.popleft()

    def put_first(self, task: OpenTask) -> None:
        """It was its turn, and there was no slot after all."""
        self._ready.appendleft(task)

    def put_last(self, task: OpenTask) -> None:
        """It is to be tried again, not before its time."""
        self._delayed += 1
        heapq.heappush(self._later, (task.not_before, self._delayed, task))

    @property
    def next_due(self) -> float | None:
        """When the next of those is due that may not be tried yet."""
        return self._later[0][0] if self._later else None


class Running:
    """The tasks that run, and which of those that run only once has done so for the longest time."""

    def __init__(self) -> None:
        self.doubled = 0
        """How many run twice."""
        self._tasks: dict[int, OpenTask] = {}
        self._alone: list[
            tuple[float, int, int]
        ] = []  # since when, task, attempt; some of them long over

    def begin(self, task: OpenTask, attempt: Attempt) -> None:
        """One more attempt at a task."""
        task.running[attempt.number] = attempt
        self._tasks[task.spec.index] = task
        if len(task.running) == 1:
            self.put_back(task, attempt)
        elif len(task.running) == 2:
            self.doubled += 1

    def end(self, task: OpenTask, attempt: Attempt) -> None:
        """The attempt runs no more."""
        if task.running.pop(attempt.number, None) is None:
            return
        if not task.running:
            del self._tasks[task.spec.index]
        elif len(task.running) == 1:
            self.doubled -= 1
            self.put_back(task, next(iter(task.running.values())))

    def take_longest(self) -> tuple[OpenTask, Attempt] | None:
        """Return the task that has run longest of those that run once; not found again unless it is
        put back.
        """
        while self._alone:
            _, index, number = heapq.heappop(self._alone)
            task = self._tasks.get(index)
            if task and set(task.running) == {number}:
                return task, task.running[number]
        return None

    def put_back(self, task: OpenTask, attempt: Attempt) -> None:
        """The task still runs once."""
        heapq.heappush(self._alone, (attempt.started, task.spec.index, attempt.number))


class StageTasks:
    """The tasks of a stage: those that wait, those that run, and the outcomes of those that are done.

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
        """Return whether another attempt at the task has given its result."""
        return task.spec.index in self.outcomes

    def put_back(self, task: OpenTask, attempt: Attempt) -> None:
        """Count an attempt as one that never began."""
        task.attempts -= 1
        self.running.end(task, attempt)
        if not task.running and not self.is_done(task):
            self.waiting.put_first(task)
