"""What follows a failure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.scheduling.policy import (
    BackupPolicy,
    GiveUp,
    RetryPolicy,
    TryAgain,
    after_failure,
    backup_after,
    endpoint_pause,
    most_backups,
    stage_budget,
    usable_slots,
)
from mapreduce.errors import KINDS, Retry
from mapreduce.wire.messages import TaskError


def _failures(*kinds: str) -> list[TaskError]:
    return [TaskError(kind=kind, message="") for kind in kinds]


@pytest.mark.parametrize(
    ("kinds", "goes_on"),
    [
        (["TaskLost"], True),
        (["TaskLost"] * 3, True),
        (["TaskLost"] * 4, False),
        (["UserCodeError"], True),
        (["UserCodeError"] * 2, False),
        (["TaskLost", "UserCodeError"], True),
        (["UserCodeError", "TaskLost", "UserCodeError"], False),
        (["StorageError", "TaskLost", "CorruptBlock"], True),
        (["InputChanged"], False),
        (["RefusedURL"], False),
        (["Unauthorized"], False),
        (["RecordError"], False),
        (["CorruptBlock"], True),
        (["CorruptBlock", "CorruptBlock"], False),
        (["OutputLost"], False),
    ],
)
def test_attempts_are_four_of_user_code_two_and_of_the_hopeless_one(
    kinds: list[str], goes_on: bool
) -> None:
    """The budgets of a task."""
    decision = after_failure(_failures(*kinds), RetryPolicy(), jitter=0.5)
    assert isinstance(decision, TryAgain if goes_on else GiveUp)


def test_every_error_says_whether_another_attempt_can_help() -> None:
    """Each class of the tree leads to one of the decisions, also one that is added later."""
    expected = {
        Retry.YES: (True, False),
        Retry.ONCE: (True, False),
        Retry.PRODUCER: (False, False),
        Retry.NO: (False, False),
    }
    for name, cls in KINDS.items():
        first = after_failure(_failures(name), RetryPolicy(once_attempts=2), jitter=0.0)
        last = after_failure(_failures(*[name] * 4), RetryPolicy(once_attempts=2), jitter=0.0)
        found = isinstance(first, TryAgain), isinstance(last, TryAgain)
        assert expected[cls.retry] == found, name


@given(failures=st.integers(1, 60), jitter=st.floats(0, 1))
def test_delays_double_up_to_their_limit_and_jitter_only_shortens(
    failures: int, jitter: float
) -> None:
    """Half of the full delay at least, the full delay at most."""
    policy = RetryPolicy(first_delay_s=0.5, longest_delay_s=8)
    full = min(0.5 * 2 ** (failures - 1), 8)
    assert full / 2 <= endpoint_pause(failures, policy, jitter) <= full


def test_a_stage_may_see_as_many_failures_as_it_has_tasks_and_a_small_one_some() -> None:
    """A fleet in trouble fails the job before every task has used up its own attempts."""
    policy = RetryPolicy(failures_per_task=1.0, least_failures=30)
    assert [30, 30, 1000] == [stage_budget(tasks, policy) for tasks in (1, 30, 1000)]


def test_an_open_circuit_lets_one_task_through() -> None:
    """After three failures in a row an endpoint is asked for one task at a time."""
    assert [4, 4, 4, 1, 1] == [usable_slots(4, failures, RetryPolicy()) for failures in range(5)]


@pytest.mark.parametrize(
    ("finished_s", "tasks", "expected"),
    [
        ([], 4, None),
        ([10.0], 4, None),
        ([10.0, 20.0], 4, 45.0),
        ([10.0, 20.0, 1000.0], 4, 60.0),
        ([0.1, 0.1], 4, 1.0),
        ([10.0], 1, 30.0),
    ],
)
def test_a_backup_comes_after_three_medians_when_half_is_done(
    finished_s: list[float], tasks: int, expected: float | None
) -> None:
    """A median, so that one slow task does not hide the next; and never for a task of less than a
    second.
    """
    assert expected == backup_after(finished_s, tasks, BackupPolicy())


def test_few_tasks_have_a_backup_at_the_same_time() -> None:
    """A tenth of the stage, but one at least."""
    assert [1, 1, 10] == [most_backups(tasks, BackupPolicy()) for tasks in (1, 19, 100)]


def test_too_many_bad_records_end_the_run_at_once() -> None:
    """The task has tried each record twice itself, so no other attempt is made; nor is one for a
    bad record.
    """
    for kind in ("TooManyBadRecords", "RecordError"):
        failure = TaskError(kind=kind, message="", place="u at byte 1")
        assert isinstance(after_failure([failure], RetryPolicy(skip_bad_records=2), 0.5), GiveUp)
