"""What a run was asked for, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field

from driver.plan.fault_rates import Chaos
from mapreduce.wire.messages import SplitMode

READY_MADE = "mapreduce_jobs"
"""The package of the ready-made jobs, which `--job` finds by their short names."""
DEFAULT_JOB = f"{READY_MADE}.word_count"
DEFAULT_STORE = ".mapreduce"
DEFAULT_SPARK_MASTER = "local[*]"


@dataclass(frozen=True, slots=True)
class RunConfig:
    """One run.

    Attributes:
        inputs: paths, folders, globs or URLs, in the order in which their records count.
        job: module or file, and optionally `:Class`.
        parameters: the texts of `--param name=value`.
        mappers: mapper services to use; None for the target's own number.
        reducers: partitions; None for the target's default.
        chunks: how many splits; None to go by `chunk_bytes`.
        chunk_bytes: how long a split is.
        mode: "range" plans byte ranges, "copy" writes chunk files.
        top: how many of the heaviest pairs are reported.
        fresh: reuse no finished task.
        remembered: later runs may reuse its tasks.
        task_memory_bytes: what a task may use on this machine; None for a share of it.
        spark_master: the master of a run on Apache Spark.
        chaos: the fault drill, if there is one.
        skip_bad_records: how many records that cannot be mapped may be set aside.
        stage_timeout_s: how long a stage may take; None for as long as it needs.
        sort: parts are ranges of keys, as with a job's own `total_order`.
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
    sort: bool = False
    chaos: Chaos | None = None
    skip_bad_records: int = 0
    stage_timeout_s: float | None = None
    task_memory_bytes: int | None = None
    spark_master: str = DEFAULT_SPARK_MASTER
