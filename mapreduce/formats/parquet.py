"""Apache Parquet: rows, by row groups.

A row group belongs to the piece in which its first byte lies. The bytes from there up to the next one count as its
own, for the first one also what comes before it, for the last one the footer.

What a record cannot carry becomes what it can: dates, times and timestamps are ISO 8601 text (a timestamp that knows
its time zone in UTC, with +00), a DECIMAL is text with all its digits, so are a UUID, an INTERVAL, an ENUM and whatever
else is none of the following; NaN is None. Integers, strings, booleans and bytes stay; a struct is a dict, a list a
list, a map a list of [key, value]. Infinity stays too, though no pair can carry it: the job must say what it means.
A timestamp keeps its nanoseconds, but as INT96 (which old writers use) only its microseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from mapreduce.formats.base import Batch, ReadRange
from mapreduce.formats.kinds import Parquet
from mapreduce.formats.parquet_file import opened
from mapreduce.formats.parquet_types import carriable_sql, converter_of, quoted_name, quoted_text
from mapreduce.messages import Piece


class ParquetReader:
    """Rows of a Parquet file. Arguments and errors are those of the `Reader` protocol.

    Args:
        form: which columns are read.
    """

    invalid = 0

    def __init__(self, form: Parquet) -> None:
        self._form = form

    def batches(self, piece: Piece, read: ReadRange) -> Iterator[Batch]:
        """A batch for each row group; its rows are read as they are taken, so take them before the next batch."""
        with opened(piece.source, piece.size, read) as file:
            for group in file.row_groups():
                if piece.start <= group.start < piece.end:
                    rows = file.rows(group, self._form.columns)
                    yield Batch(group.start, group.end - group.start, rows)


def plain_rows(content: bytes, form: Parquet) -> list[dict[str, Any]]:
    """All rows of a file, by one query over the whole of it: what all pieces together must come to."""
    with TemporaryDirectory() as folder, duckdb.connect() as connection:
        path = Path(folder) / "whole.parquet"
        path.write_bytes(content)
        scan = f"read_parquet({quoted_text(str(path))}, hive_partitioning = false)"
        connection.execute("SET TimeZone = 'UTC'; SET enable_geoparquet_conversion = false")
        relation = connection.sql(f"SELECT * FROM {scan}")
        kinds = dict(zip(relation.columns, relation.types, strict=True))
        names = relation.columns if form.columns is None else list(form.columns)
        selected = [carriable_sql(kinds[name], quoted_name(name)) for name in names]
        converters = [converter_of(kinds[name]) or (lambda value: value) for name in names]
        found = connection.execute(f"SELECT {', '.join(['NULL', *selected])} FROM {scan}").fetchall()
    return [
        {name: convert(value) for name, convert, value in zip(names, converters, row[1:], strict=True)} for row in found
    ]
