"""The keys of a sample that is mapped as columns."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from mapreduce.columns.chunks import chunk_of
from mapreduce.engine.context import TaskContext
from mapreduce.engine.map_columns import ColumnsMap
from mapreduce.formats.base import RecordBatch
from mapreduce.job import Job
from mapreduce.wire.messages import ByteRange


class _NoPairs:
    """Takes no pairs."""

    def add(self, pairs: Iterable[Any]) -> None:
        """Take none."""

    def add_columns(self, keys: list[Any], values: list[Any]) -> None:
        """Take none."""


def first_keys(
    job: Job, batch: RecordBatch, byte_range: ByteRange, context: TaskContext, most: int
) -> list[Any]:
    """Return the keys of the first records of a batch, without those of records that fail.

    Args:
        job: the job's instance.
        batch: its first records are mapped.
        byte_range: that it belongs to.
        context: the task's memory.
        most: the number of keys, and of rows of a format that stores columns.

    Raises:
        UserCodeError: the SQL fails, whatever the records are.
    """
    stored = batch.columns
    if stored is not None:
        end = min(stored.end, stored.first + most)
        batch = replace(batch, columns=stored.rows(stored.first, end))
    chunk = chunk_of(batch, byte_range)
    if not chunk.names:
        return []
    with ExitStack() as resources:
        columns = ColumnsMap(job, _NoPairs(), context, resources)
        return columns.keys_of(chunk, byte_range.name, most)[:most]
