"""What to do after a failure. Pure: takes what happened, returns what to do; no clock, no sleep, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mapreduce.messages import TaskError

HOPELESS = frozenset({"InputChanged", "RefusedURL", "JobLoadError", "ParameterError", "UsageError", "InputError"})
"""Causes that no second attempt can mend: the request itself, or the input, would have to be another."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how soon a task is tried again.

    Attributes:
        attempts: in all, before the job fails; Hadoop's and Spark's four.
        user_code_attempts: the same for an exception in the job's own code: once more, elsewhere, in case the
            machine was to blame; a fault in the code itself fails again at once.
        first_delay_s: before the second attempt; it doubles with each.
        longest_delay_s: where doubling ends.
        heartbeat_timeout_s: silence after which an attempt counts as dead (a heartbeat comes every second).
    """

    attempts: int = 4
    user_code_attempts: int = 2
    first_delay_s: float = 0.25
    longest_delay_s: float = 15.0
    heartbeat_timeout_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again, not before `delay_s` seconds from now."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The job has failed."""

    why: str


def after_failure(failures: Sequence[TaskError], policy: RetryPolicy, jitter: float) -> Retry | GiveUp:
    """What to do with a task.

    Args:
        failures: all of its failures so far, the last one last; at least one.
        policy: the limits.
        jitter: from 0 to 1; spreads the delays of tasks that failed together.
    """
    last = failures[-1]
    if last.kind in HOPELESS:
        return GiveUp("no other attempt could succeed")
    by_user_code = sum(failure.kind == "UserCodeError" for failure in failures)
    if by_user_code >= policy.user_code_attempts:
        return GiveUp("the job's code failed on it" + ("" if by_user_code == 1 else f" {by_user_code} times"))
    if len(failures) >= policy.attempts:
        return GiveUp("it failed" + ("" if len(failures) == 1 else f" {len(failures)} times"))
    return Retry(_delay(len(failures), policy.first_delay_s, policy.longest_delay_s, jitter))


def endpoint_pause(failures_in_a_row: int, policy: RetryPolicy, jitter: float) -> float:
    """How many seconds an endpoint is left alone after it failed that often in a row."""
    return _delay(failures_in_a_row, policy.first_delay_s, policy.longest_delay_s, jitter)


def _delay(failures: int, first_s: float, longest_s: float, jitter: float) -> float:
    full: float = min(first_s * 2 ** (failures - 1), longest_s)
    return full * (0.5 + jitter / 2)
