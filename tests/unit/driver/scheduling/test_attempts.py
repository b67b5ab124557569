"""The waiting tasks, and the running attempt that started first."""

from __future__ import annotations

from driver.scheduling.attempts import Attempt, OpenTask, Running, Waiting
from tests.unit.driver.fakes import map_specs


def _tasks(count: int) -> list[OpenTask]:
    return [OpenTask(spec) for spec in map_specs([1] * count)]


def test_a_task_to_be_tried_again_waits_for_its_time_and_then_comes_last() -> None:
    """A task waits until its time and comes last; one that found no slot comes first."""
    first, second, third = _tasks(3)
    waiting = Waiting([first, second])
    third.not_before = 5.0
    waiting.put_last(third)
    assert (3, 5.0) == (len(waiting), waiting.next_due)
    assert waiting.first(0.0) is first
    waiting.take_first()
    assert waiting.first(5.0) is second
    waiting.take_first()
    waiting.put_first(first)
    assert [first, third] == [_next(waiting), _next(waiting)]
    assert waiting.first(9.0) is None


def _next(waiting: Waiting) -> OpenTask | None:
    task = waiting.first(5.0)
    waiting.take_first()
    return task


def test_the_longest_running_of_those_that_run_once() -> None:
    """The longest-running task is one with a single running attempt."""
    tasks, running = _tasks(3), Running()
    attempts = [Attempt(1, "a", started=float(number)) for number in range(3)]
    for task, attempt in zip(tasks, attempts, strict=True):
        running.begin(task, attempt)
    running.end(tasks[0], attempts[0])
    backup = Attempt(2, "b", started=9.0)
    running.begin(tasks[1], backup)
    assert running.doubled == 1
    assert (tasks[2], attempts[2]) == running.take_longest()
    running.end(tasks[1], attempts[1])
    assert running.doubled == 0
    assert (tasks[1], backup) == running.take_longest()
    assert running.take_longest() is None
