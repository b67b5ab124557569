"""What follows a failure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.policy import HOPELESS, GiveUp, Retry, RetryPolicy, after_failure, endpoint_pause
from mapreduce import errors
from mapreduce.messages import TaskError


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
    ],
)
def test_attempts_are_four_of_user_code_two_and_of_the_hopeless_one(kinds: list[str], goes_on: bool) -> None:
    """The budgets of a task."""
    decision = after_failure(_failures(*kinds), RetryPolicy(), jitter=0.5)
    assert isinstance(decision, Retry if goes_on else GiveUp)


def test_hopeless_causes_are_classes_of_the_error_tree() -> None:
    """A renamed class cannot leave a stale name behind."""
    assert all(issubclass(getattr(errors, name), errors.MapReduceError) for name in HOPELESS)


@given(failures=st.integers(1, 60), jitter=st.floats(0, 1))
def test_delays_double_up_to_their_limit_and_jitter_only_shortens(failures: int, jitter: float) -> None:
    """Half of the full delay at least, the full delay at most."""
    policy = RetryPolicy(first_delay_s=0.5, longest_delay_s=8)
    full = min(0.5 * 2 ** (failures - 1), 8)
    assert full / 2 <= endpoint_pause(failures, policy, jitter) <= full
