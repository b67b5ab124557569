"""Choose the native or the Python collector for a job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mapreduce import native
from mapreduce.aggregate import Aggregation
from mapreduce.engine import native_collector
from mapreduce.engine.collect import (
    AggregateCollector,
    Collector,
    Combine,
    PairCollector,
    Partitioner,
    by_hash,
    combining,
    merging_pairs,
    merging_states,
    partitioner,
)
from mapreduce.engine.folding import folding, folds
from mapreduce.engine.of_states import OfStates
from mapreduce.engine.spills import Spills
from mapreduce.job import Job


def collector_for(
    job: Job,
    partitions: int,
    buffer_bytes: int,
    scratch: Path,
    boundaries: Sequence[bytes] | None = None,
    *,
    states: bool = False,
) -> Collector:
    """Return the collector of a map task.

    Args:
        job: the job's instance.
        partitions: the number of blocks.
        buffer_bytes: memory for pairs; beyond it they are spilled to `scratch`.
        scratch: a folder that only this task uses.
        boundaries: encoded keys that separate the partitions, if these are key ranges.
        states: the values that it gets are states of the job's aggregation.
    """
    partition = partitioner(job, partitions, boundaries)
    check = job.partitions_itself or job.group_by > 0
    if job.aggregation is None:
        return _keeping(partitions, buffer_bytes, scratch, partition, combining(job), check=check)
    return _combining(
        job.aggregation, partitions, buffer_bytes, scratch, partition, check=check, states=states
    )


def sorter(buffer_bytes: int, scratch: Path) -> Collector:
    """Return a collector of one partition that keeps every pair."""
    return _keeping(1, buffer_bytes, scratch, None, None, check=False)


def _keeping(
    partitions: int,
    buffer_bytes: int,
    scratch: Path,
    partition: Partitioner | None,
    combine: Combine | None,
    *,
    check: bool,
) -> Collector:
    if native.extension is None:
        spills = Spills(partitions, scratch, merging_pairs(combine))
        return PairCollector(partition or by_hash(partitions), buffer_bytes, spills, combine)
    in_frames = native_collector.combining_pairs(combine) if combine else None
    return _keeping_frames(partitions, buffer_bytes, scratch, partition, in_frames, check=check)


def _keeping_frames(
    partitions: int,
    buffer_bytes: int,
    scratch: Path,
    partition: Partitioner | None,
    combine: native_collector.FrameCombine | None,
    *,
    check: bool,
) -> Collector:
    spills = Spills(partitions, scratch, native_collector.merging_kept(combine))
    return native_collector.NativeCollector(
        native_collector.operation("KEEP"),
        buffer_bytes,
        spills,
        partition,
        check=partition if check else None,
        combine=combine,
    )


def _combining(
    aggregation: Aggregation[Any],
    partitions: int,
    buffer_bytes: int,
    scratch: Path,
    partition: Partitioner | None,
    *,
    check: bool,
    states: bool,
) -> Collector:
    if native_collector.keeps_first(aggregation):
        first = native_collector.first_pairs
        return _keeping_frames(partitions, buffer_bytes, scratch, partition, first, check=check)
    if states and folds(aggregation) and not native_collector.combines(aggregation):
        combine = folding(aggregation, results=False)
        return _keeping_frames(partitions, buffer_bytes, scratch, partition, combine, check=check)
    in_python = merging_pairs(merging_states(aggregation))
    spills = Spills(partitions, scratch, in_python)

    def python() -> AggregateCollector:
        spills.merging = in_python
        by = partition or by_hash(partitions)
        folding = OfStates(aggregation) if states else aggregation
        return AggregateCollector(folding, by, buffer_bytes, spills, check_partitions=check)

    if not native_collector.combines(aggregation):
        return python()
    spills.merging = native_collector.merging_combined(aggregation, in_python)
    operation = native_collector.state_operation if states else native_collector.value_operation
    return native_collector.NativeCollector(
        operation(aggregation),
        buffer_bytes,
        spills,
        partition,
        check=partition if check else None,
        otherwise=python,
    )
