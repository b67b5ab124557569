"""The outcome of a task, and its volumes."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from driver.plan.tasks import TaskSpec
from mapreduce.wire.messages import MapResult, ReduceResult, SplitResult

AnyResult = SplitResult | MapResult | ReduceResult


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished task: its result, endpoint and attempts; `reused` from an earlier run."""

    spec: TaskSpec
    result: AnyResult
    attempts: int
    endpoint: str
    seconds: float
    reused: bool = False


class Volumes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an attempt has read and written, in bytes and records, and its peak memory in bytes."""

    bytes_in: int = 0
    bytes_out: int = 0
    records_in: int = 0
    records_out: int = 0
    peak_memory_bytes: int = 0


def volumes_of(result: AnyResult) -> Volumes:
    """Return the volumes of a task's result; the records out of a split task are its splits."""
    memory = result.cost.peak_memory_bytes
    if isinstance(result, SplitResult):
        return Volumes(result.bytes_read, result.bytes_written, 0, len(result.splits), memory)
    if isinstance(result, MapResult):
        read = sum(piece.bytes_owned for piece in result.pieces)
        return Volumes(read, result.size, result.records_in, result.records_out, memory)
    return Volumes(result.bytes_in, result.size, result.records_in, result.records_out, memory)
