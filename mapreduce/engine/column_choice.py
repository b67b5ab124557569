"""Which byte ranges are mapped as columns, and whether a task's collector gets states of them."""

from __future__ import annotations

from collections.abc import Iterable

from mapreduce.columns.aggregates import has_plan
from mapreduce.job import Job
from mapreduce.wire.messages import ByteRange

READ_BY_COLUMNS = ("csv", "jsonl", "parquet")
"""The kinds of formats that are read as columns."""


def maps_columns(job: Job, byte_range: ByteRange, *, lenient: bool = False) -> bool:
    """Return whether the records of a byte range are mapped as columns.

    Args:
        job: the job's instance.
        byte_range: the records.
        lenient: bad records are set aside: by `map`, record for record, where it is written.
    """
    if not job.maps_columns or byte_range.format.kind not in READ_BY_COLUMNS:
        return False
    if lenient and not job.passes_on:
        return False
    return type(job).map_sql is None or job.sql_of(byte_range.name) is not None


def makes_states(job: Job, pieces: Iterable[ByteRange], *, lenient: bool = False) -> bool:
    """Return whether a task's collector gets states: all its pairs come of columns."""
    return (
        job.maps_columns
        and has_plan(job.aggregation)
        and not job.gathers
        and all(maps_columns(job, piece, lenient=lenient) for piece in pieces)
    )
