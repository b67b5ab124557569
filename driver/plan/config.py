"""The configuration of a run, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from driver.plan.fault_rates import Chaos
from mapreduce.errors import UsageError
from mapreduce.wire.messages import MOST_SKIPPED, SplitMode

READY_MADE = "mapreduce_jobs"
"""The package of the ready-made jobs, which `--job` finds by their short names."""
DEFAULT_JOB = f"{READY_MADE}.word_count"
DEFAULT_STORE = ".mapreduce"
DEFAULT_SPARK_MASTER = "local[*]"
MOST_RETRIES = 100
"""Drivers that go on with a run, one after another: a job that kills its driver ends, too."""


@dataclass(frozen=True, slots=True)
class RunConfig:
    """The options of one run.

    Attributes:
        inputs: paths, folders, globs or URLs; their records are read in this order.
        over: each line of the one input is a value, and a map task of its own.
        job: module or file, and optionally `:Class`.
        parameters: the texts of `--param name=value`.
        mappers: mapper services to use; None for the target's default.
        reducers: partitions; None for the target's default.
        chunks: how many splits; None for splits of `chunk_bytes`.
        chunk_bytes: length of a split.
        mode: "range" plans byte ranges, "copy" writes chunk files.
        top: how many of the top keys are reported.
        fresh: reuse no finished task.
        remembered: later runs may reuse its tasks.
        requirements: a requirements file of pip, besides those in the job's classes.
        refresh_packages: resolve the requirements anew.
        broadcast_bytes: an input that the job may broadcast is, if it is at most so long; 0 for
            never, None for the default.
        task_memory_bytes: memory of a task on this machine; None for a share of it.
        spark_master: the master of a run on Apache Spark.
        chaos: the fault injection, if any.
        skip_bad_records: how many records that cannot be mapped may be set aside; None for what the
            job says, else 0.
        stage_timeout_s: how long a stage may take; None for no limit.
        sort: parts are ranges of keys, as with a job's `total_order`.
        keep_s: in AWS, seconds that a fleet which the run has started stays after it; None to stop
            it at once.
        max_usd: in AWS, dollars that the run may spend; None for no limit.
        keep_pairs: keep the result's pairs with their exact types too, for a program in Python.
    """

    inputs: tuple[str, ...]
    job: str = DEFAULT_JOB
    parameters: dict[str, str] = field(default_factory=dict)
    mappers: int | None = None
    reducers: int | None = None
    chunks: int | None = None
    chunk_bytes: int | None = None
    mode: SplitMode = "range"
    top: int = 10
    fresh: bool = False
    remembered: bool = True
    requirements: Path | None = None
    refresh_packages: bool = False
    sort: bool = False
    chaos: Chaos | None = None
    skip_bad_records: int | None = None
    stage_timeout_s: float | None = None
    task_memory_bytes: int | None = None
    spark_master: str = DEFAULT_SPARK_MASTER
    keep_s: float | None = None
    max_usd: float | None = None
    keep_pairs: bool = False
    over: bool = False
    broadcast_bytes: int | None = None

    def __post_init__(self) -> None:
        """Refuse invalid values; raises `UsageError`, which names the option."""
        at_least_one("--mappers", self.mappers)
        at_least_one("--reducers", self.reducers)
        at_least_one("--chunks", self.chunks)
        if self.chunks is not None and self.chunk_bytes is not None:
            raise UsageError("--chunks and --chunk-size exclude each other; give one of them")
        cuts = (self.chunks, self.chunk_bytes) != (None, None) or self.mode != "range"
        if self.over and cuts:
            raise UsageError(
                "--over makes a map task of each value; leave out --chunks, --chunk-size and "
                "--split-mode"
            )
        skipped = self.skip_bad_records or 0
        for option, number in (("--top", self.top), ("--skip-bad-records", skipped)):
            if number < 0:
                raise UsageError(f"{option} {number}: must not be negative")
        if skipped > MOST_SKIPPED:
            raise UsageError(
                f"--skip-bad-records {skipped}: at most {MOST_SKIPPED:,} can be set aside in a run"
            )
        if self.max_usd is not None and not 0 < self.max_usd < float("inf"):
            raise UsageError(f"--max-usd {self.max_usd:g}: must be more than 0 dollars")
        if self.stage_timeout_s is not None and not self.stage_timeout_s > 0:
            raise UsageError(
                f"--stage-timeout {self.stage_timeout_s:g}: must be more than 0 seconds"
            )


def check_retries(option: str, number: int) -> None:
    """Refuse a number of drivers that go on with a run; raises `UsageError`."""
    if not isinstance(number, int) or not 0 <= number <= MOST_RETRIES:
        raise UsageError(f"{option}{number}: must be from 0 to {MOST_RETRIES}")


def at_least_one(option: str, number: int | None) -> int | None:
    """Return a count that must be positive or None; raises `UsageError`."""
    if number is not None and number < 1:
        raise UsageError(f"{option} {number}: must be at least 1")
    return number
