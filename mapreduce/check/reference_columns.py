"""The pairs of `map_sql` or `map_arrow` for the reference run: all records of an input at once.

Nothing is cut or aggregated, and text is read record by record with Python's library. How SQL sees
a column is shared with the engine (`mapreduce.columns`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from typing import Any

from mapreduce.columns.chunks import Chunk, Group, Rows, kinds_of, registered
from mapreduce.columns.database import opened
from mapreduce.columns.query import Query
from mapreduce.columns.statement import statement_of
from mapreduce.columns.table import Returned, is_arrow
from mapreduce.engine.column_choice import READ_BY_COLUMNS
from mapreduce.formats.parquet_columns import GroupColumns
from mapreduce.formats.parquet_file import opened as opened_file
from mapreduce.input_formats import Csv, Format, Parquet
from mapreduce.job import Job
from mapreduce.user_code.columns import two_columns

Record = tuple[Any, Any]


def maps_alone(job: Job, form: Format, name: str) -> bool:
    """Return whether only `map_sql` or `map_arrow` says what the pairs of an input are."""
    if not job.maps_columns or not job.passes_on or form.kind not in READ_BY_COLUMNS:
        return False
    return type(job).map_sql is None or job.sql_of(name) is not None


def pairs_of_rows(job: Job, name: str, form: Format, rows: Iterable[Record]) -> Iterator[Record]:
    """Yield the pairs of rows of CSV or JSON Lines.

    Args:
        job: the job's instance.
        name: of the input.
        form: its format.
        rows: its records.
    """
    records = list(rows)
    if not records:
        return
    header = tuple(records[0][1]) if isinstance(form, Csv) else None
    yield from _pairs(job, name, Rows(records, kinds_of(form, header)))


def pairs_of_file(
    job: Job, name: str, form: Parquet, content: bytes, left_out: Collection[object]
) -> Iterator[Record]:
    """Yield the pairs of a Parquet file.

    Args:
        job: the job's instance.
        name: of the input.
        form: its format.
        content: the file.
        left_out: numbers of rows that are left out.
    """

    def read(start: int, end: int) -> Iterator[bytes]:
        yield content[start:end]

    with opened_file(name or "input", len(content), read) as file:
        total = sum(group.rows for group in file.row_groups())
        edges = [-1, *sorted(row for row in left_out if isinstance(row, int)), total]
        for before, end in pairwise(edges):
            if before + 1 < end:
                chunk = Group(GroupColumns(file, form.columns, before + 1, end))
                yield from _pairs(job, name, chunk)


def _pairs(job: Job, name: str, chunk: Chunk) -> Iterator[Record]:
    sql = job.sql_of(name)
    with opened() as connection:
        if sql is not None:
            owner = f"`map_sql` of {type(job).__name__}"
            query = Query(statement_of(sql, owner, connection), owner)
            with chunk.source(lambda: connection, query.reads(chunk.names)) as source:
                for keys, values in query.pairs(source):
                    yield from zip(keys, values, strict=True)
            return
        returned: Any = job.map_arrow(chunk.table(chunk.names))
        if not is_arrow(returned):
            yield from zip(*two_columns(returned, "map_arrow"), strict=True)
            return
        query = Query(None, f"`map_arrow` of {type(job).__name__}")
        with registered(connection, Returned(returned), ("key", "value")) as source:
            for keys, values in query.pairs(source):
                yield from zip(keys, values, strict=True)
