"""Decides about failures and stragglers. Pure: takes values, returns decisions; no clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mapreduce.errors import LimitReached, Retry, UserCodeError
from mapreduce.wire.messages import StageName, TaskError

LONGEST_WAIT_S = 60.0
"""The longest pause that an endpoint can ask for."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how soon a task is tried again, and what counts as dead or slow.

    Attributes:
        attempts: in all, before the job fails; Hadoop and Spark have four too.
        once_attempts: the same for errors with `Retry.ONCE`. An exception in the job's code is
            tried on another worker, in case the machine was to blame; a damaged block is fetched
            again, in case the network was to blame.
        first_delay_s: before the second attempt; it doubles with each.
        longest_delay_s: the limit of the doubling.
        heartbeat_timeout_s: silence after which an attempt counts as dead (a heartbeat comes every
            second).
        stall_timeout_s: seconds without a byte, a record or a new status after which an attempt
            counts as hung, with or without heartbeats (Hadoop's mapreduce.task.timeout is ten
            minutes too).
        unreachable_s: after so long without an answer of any endpoint, a failed connection fails
            the task; before, it does not: nothing of the task has begun, and the services may come
            back.
        silent_s: after so long without an answer of any endpoint, the fleet is asked why; a certain
            cause ends the stage.
        sign_in_s: how long a run waits for new credentials when those of AWS have ended.
        no_endpoint_s: how long a stage waits without any endpoint: Fargate takes a minute or two to
            start a task, and ECS to notice that it must.
        full_s: how long a stage waits while every endpoint runs other runs' tasks.
        breaker_failures: failures in a row that open an endpoint's circuit: it is paused, then gets
            one task at a time until one succeeds.
        failures_per_task: the stage fails after so many failures for each of its tasks.
        least_failures: failures that a stage of any size may have before that.
        skip_bad_records: how many records that cannot be mapped may be set aside in a stage.
        stage_timeout_s: how long a stage may take; None for no limit.
        tells_pauses: whether a pause of this process is an event. Where its tasks run in it, a long
            task looks like one.
    """

    attempts: int = 4
    once_attempts: int = 2
    first_delay_s: float = 0.25
    longest_delay_s: float = 15.0
    heartbeat_timeout_s: float = 20.0
    stall_timeout_s: float = 600.0
    unreachable_s: float = 300.0
    silent_s: float = 30.0
    sign_in_s: float = 3600.0
    no_endpoint_s: float = 300.0
    full_s: float = 3600.0
    breaker_failures: int = 3
    failures_per_task: float = 1.0
    least_failures: int = 30
    skip_bad_records: int = 0
    stage_timeout_s: float | None = None
    tells_pauses: bool = True


@dataclass(frozen=True, slots=True)
class BackupPolicy:
    """When a running task gets a backup (the MapReduce paper's backup tasks, section 3.6).

    Attributes:
        from_share: share of the stage's tasks that must be done before there are backups.
        slower: a straggler takes so many times the median of the finished tasks.
        least_s: a task that takes less is not worth a second start.
        most_share: share of the stage's tasks that may have a backup at the same time; at least
            one.
    """

    from_share: float = 0.5
    slower: float = 3.0
    least_s: float = 1.0
    most_share: float = 0.1


class Allowance(Protocol):
    """What a run may still spend; asked before each attempt."""

    def another(
        self, stage: StageName, running_s: Sequence[float], longest_s: float | None
    ) -> bool:
        """Return whether one more attempt of a stage may start.

        Args:
            stage: the stage.
            running_s: how long each running attempt has run so far.
            longest_s: how long the longest finished task of the stage took; None without one.
        """

    def reached(self, left: int, stage: str) -> LimitReached:
        """Return the error of a stage that ends with so many tasks left."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """A decision: try again, not before `delay_s` seconds from now."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """A decision: the job fails."""

    why: str


def after_failure(
    failures: Sequence[TaskError], policy: RetryPolicy, jitter: float
) -> TryAgain | GiveUp:
    """Decide whether to try a task again.

    Args:
        failures: its failures so far, the last one last; at least one.
        policy: the limits.
        jitter: from 0 to 1; spreads the delays of tasks that failed together.
    """
    last = failures[-1]
    if last.cause.retry is Retry.PRODUCER:
        return GiveUp("the task that wrote its input must run again")
    if last.cause.retry is Retry.NO:
        return GiveUp("no other attempt could succeed")
    alike = sum(failure.cause is last.cause for failure in failures)
    if last.cause.retry is Retry.ONCE and alike >= policy.once_attempts:
        at_fault = issubclass(last.cause, UserCodeError)
        what = "the job's code failed on it" if at_fault else "what it reads is damaged"
        return GiveUp(what + ("" if alike == 1 else f" {alike} times"))
    if len(failures) >= policy.attempts:
        return GiveUp("it failed" + ("" if len(failures) == 1 else f" {len(failures)} times"))
    return TryAgain(_delay(len(failures), policy.first_delay_s, policy.longest_delay_s, jitter))


def wait_for_slot(wanted_s: float) -> float:
    """Return how many seconds to pause an endpoint without a free slot, within limits."""
    return min(max(wanted_s, 0.0), LONGEST_WAIT_S) if math.isfinite(wanted_s) else LONGEST_WAIT_S


def stage_budget(tasks: int, policy: RetryPolicy) -> int:
    """Return how many failures a stage may have; more mean a general fault, and the job fails."""
    return max(policy.least_failures, int(tasks * policy.failures_per_task))


def endpoint_pause(failures_in_a_row: int, policy: RetryPolicy, jitter: float) -> float:
    """Return how many seconds to pause an endpoint after so many failures in a row."""
    return _delay(failures_in_a_row, policy.first_delay_s, policy.longest_delay_s, jitter)


def usable_slots(slots: int, failures_in_a_row: int, policy: RetryPolicy) -> int:
    """Return how many tasks an endpoint may have: all its slots, or 1 in a half-open circuit."""
    return 1 if failures_in_a_row >= policy.breaker_failures else slots


def backup_after(finished_s: Sequence[float], tasks: int, policy: BackupPolicy) -> float | None:
    """Return after how many seconds a running task gets a backup; None while too few have finished.

    Args:
        finished_s: seconds that each finished task took, in ascending order.
        tasks: how many there are in the stage.
        policy: the limits.
    """
    if not finished_s or len(finished_s) < tasks * policy.from_share:
        return None
    return max(policy.slower * _median(finished_s), policy.least_s)


def most_backups(tasks: int, policy: BackupPolicy) -> int:
    """Return how many tasks of a stage may have a backup at the same time."""
    return max(1, int(tasks * policy.most_share))


def _median(ascending: Sequence[float]) -> float:
    """Return the median in constant time: it is needed after each task."""
    half = len(ascending) // 2
    return (ascending[half] + ascending[-half - 1]) / 2


def _delay(failures: int, first_s: float, longest_s: float, jitter: float) -> float:
    full: float = min(first_s * 2 ** (failures - 1), longest_s)
    return full * (0.5 + jitter / 2)
