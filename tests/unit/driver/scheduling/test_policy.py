"""The decision after a failure."""

from __future__ import annotations

import math
from typing import Any

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
    wait_for_slot,
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
    """A task has four attempts, two for errors of user code, and one for hopeless errors."""
    decision = after_failure(_failures(*kinds), RetryPolicy(), jitter=0.5)
    assert isinstance(decision, TryAgain if goes_on else GiveUp)


def test_every_error_has_a_retry_decision() -> None:
    """Each class of the error tree leads to the decision of its `retry`."""
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
    """A pause doubles up to its limit, and jitter shortens it by at most half."""
    policy = RetryPolicy(first_delay_s=0.5, longest_delay_s=8)
    full = min(0.5 * 2 ** (failures - 1), 8)
    assert full / 2 <= endpoint_pause(failures, policy, jitter) <= full


def test_a_stage_may_see_as_many_failures_as_it_has_tasks_and_a_small_one_some() -> None:
    """A stage may have as many failures as tasks, and at least 30."""
    policy = RetryPolicy(failures_per_task=1.0, least_failures=30)
    assert [30, 30, 1000] == [stage_budget(tasks, policy) for tasks in (1, 30, 1000)]


def test_an_open_circuit_lets_one_task_through() -> None:
    """After three failures in a row an endpoint gets one task at a time."""
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
    """A backup starts after three medians when half of the stage is done, and never before a
    second.
    """
    assert expected == backup_after(finished_s, tasks, BackupPolicy())


def test_few_tasks_have_a_backup_at_the_same_time() -> None:
    """At most a tenth of the stage, and at least one task, has a backup."""
    assert [1, 1, 10] == [most_backups(tasks, BackupPolicy()) for tasks in (1, 19, 100)]


def test_too_many_bad_records_end_the_run_at_once() -> None:
    """Too many bad records end the task at once, because it has tried each record twice."""
    for kind in ("TooManyBadRecords", "RecordError"):
        failure = TaskError(kind=kind, message="", place="u at byte 1")
        assert isinstance(after_failure([failure], RetryPolicy(skip_bad_records=2), 0.5), GiveUp)


@pytest.mark.parametrize(
    ("kinds", "limits", "why"),
    [
        (["OutputLost"], {}, "the task that wrote its input must run again"),
        (["InputChanged"], {}, "no other attempt could succeed"),
        (["UserCodeError"] * 2, {}, "the job's code failed on it 2 times"),
        (["UserCodeError"], {"once_attempts": 1}, "the job's code failed on it"),
        (["CorruptBlock", "TaskLost", "CorruptBlock"], {}, "what it reads is damaged 2 times"),
        (["CorruptBlock"], {"once_attempts": 1}, "what it reads is damaged"),
        (["TaskLost"] * 4, {}, "it failed 4 times"),
        (["StorageError", "TaskLost"], {"attempts": 2}, "it failed 2 times"),
        (["TaskLost"], {"attempts": 1}, "it failed"),
    ],
)
def test_a_task_is_given_up_with_the_reason(
    kinds: list[str], limits: dict[str, Any], why: str
) -> None:
    """The reason of giving up has the failures, and their number if there are several."""
    assert GiveUp(why) == after_failure(_failures(*kinds), RetryPolicy(**limits), jitter=0.5)


@pytest.mark.parametrize(
    ("failures", "jitter", "delay_s"),
    [(1, 1.0, 0.5), (1, 0.0, 0.25), (3, 1.0, 2.0), (3, 0.5, 1.5), (9, 1.0, 8.0)],
)
def test_a_task_waits_as_long_as_its_endpoint_would(
    failures: int, jitter: float, delay_s: float
) -> None:
    """A task waits twice as long after each failure, and jitter takes off up to half."""
    policy = RetryPolicy(attempts=99, first_delay_s=0.5, longest_delay_s=8.0)
    decision = after_failure(_failures(*["TaskLost"] * failures), policy, jitter)
    assert TryAgain(delay_s) == decision
    assert delay_s == endpoint_pause(failures, policy, jitter)


@pytest.mark.parametrize(
    ("wanted_s", "expected_s"),
    [
        *[(1.5, 1.5), (0.5, 0.5), (-5.0, 0.0), (60.0, 60.0), (61.0, 60.0)],
        *[(math.inf, 60.0), (-math.inf, 60.0), (math.nan, 60.0)],
    ],
)
def test_the_wait_for_a_full_endpoint_is_limited(wanted_s: float, expected_s: float) -> None:
    """The wait for a slot is the service's, within limits."""
    assert expected_s == wait_for_slot(wanted_s)


def test_a_stages_budget_grows_with_what_each_task_may_fail() -> None:
    """A stage's budget of failures grows with the attempts of a task."""
    policies = [RetryPolicy(failures_per_task=each, least_failures=30) for each in (0.5, 2.0)]
    assert [50, 200] == [stage_budget(100, policy) for policy in policies]


@pytest.mark.parametrize(
    ("finished_s", "median_s"),
    [([7.0], 7.0), ([2.0, 4.0], 3.0), ([1, 2, 30, 100, 200], 30.0), ([1, 2, 3, 5, 90, 99], 4.0)],
)
def test_the_median_is_the_middle_one_or_between_the_two(
    finished_s: list[float], median_s: float
) -> None:
    """The median is the middle time, or the mean of the two middle ones."""
    policy = BackupPolicy(slower=1.0, least_s=0.0)
    assert median_s == backup_after(finished_s, len(finished_s), policy)
