"""One Parquet file, read in place by DuckDB: only its footer and the requested row groups."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, pairwise
from typing import Any

import duckdb
from fsspec.spec import AbstractFileSystem

from mapreduce import native
from mapreduce.errors import RecordError
from mapreduce.formats.base import ReadRange
from mapreduce.formats.database import database, memory_bytes
from mapreduce.formats.limits import LIMITS, Limits, shown_bytes, too_long
from mapreduce.formats.parquet_types import (
    Converter,
    carriable_sql,
    converter_of,
    is_flat,
    quoted_name,
    size_sql,
)

_FETCH = 1000
_VALUE_BYTES = 16
"""What a number takes in Arrow, while DuckDB holds it too."""
_VECTOR_ROWS = 2048
"""DuckDB builds this many rows at once, with copies of their texts."""
_LONG = "a row is long: "
_PROTOCOL = "object"
# not the real name: DuckDB would look for patterns and partitions in it
_PATH = f"{_PROTOCOL}://file"
_ROW_NUMBER = "file_row_number"
_SCAN = f"read_parquet('{_PATH}', {_ROW_NUMBER} = true, hive_partitioning = false)"
_ROW_GROUPS = f"""
    SELECT any_value(row_group_num_rows),
           min(least(
               data_page_offset, coalesce(nullif(dictionary_page_offset, 0), data_page_offset)))
    FROM parquet_metadata('{_PATH}') GROUP BY row_group_id ORDER BY row_group_id"""


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows [first_row, first_row + rows) of a file, and the bytes [start, end) that they account
    for.

    The bytes of all row groups lie side by side and cover the whole file.
    """

    first_row: int
    rows: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    sql: str
    size_sql: str
    convert: Converter | None
    flat: bool


@contextmanager
def opened(
    source: str, size: int, read: ReadRange, limits: Limits = LIMITS
) -> Iterator[ParquetFile]:
    """Open a Parquet file for the time of the context.

    Args:
        source: identifies the file in errors.
        size: its bytes.
        read: reads a range of it.
        limits: the longest row, and the memory for reading it.

    Raises:
        RecordError: it is not a Parquet file, is damaged, or takes too much memory. Errors of
            `read` pass unchanged.
    """
    files = _OneFile(size, read)
    with database(limits) as connection:
        connection.register_filesystem(files)
        connection.execute("SET enable_external_file_cache = false")
        connection.execute("SET parquet_metadata_cache = true")
        connection.execute("SET enable_geoparquet_conversion = false")
        # statistics do not count NaN (parquet.thrift): by them a column has none, and the optimizer
        # would drop the test for it
        connection.execute("SET disabled_optimizers = 'statistics_propagation'")
        yield ParquetFile(connection, files, source, limits)


class ParquetFile:
    """An open Parquet file, as `opened` yields it."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        files: _OneFile,
        source: str,
        limits: Limits = LIMITS,
    ) -> None:
        self._limits = limits
        self._connection = connection
        self._files = files
        self._source = source
        self._known: dict[str, _Column] = {}

    def row_groups(self) -> list[RowGroup]:
        """Return the row groups in the order of their bytes; one without rows if the file has none.

        Raises:
            RecordError: as `opened`.
        """
        with self._errors():
            found = self._connection.execute(_ROW_GROUPS).fetchall()
            total = self._connection.execute(
                f"SELECT num_rows FROM parquet_file_metadata('{_PATH}')"
            ).fetchall()
        if total != [(sum(rows for rows, _ in found),)]:
            raise self._error("its footer and its row groups disagree on the number of its rows")
        return self._with_bytes(found)

    def rows(
        self, group: RowGroup, columns: tuple[str, ...] | None
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the (number in the file, row) of each row of a row group, fetched as they are
        taken.

        Raises:
            RecordError: as `opened`; or a requested column does not exist.
        """
        # a generator that yields each row itself would take as long as the row's making
        return chain.from_iterable(self._numbered(group, columns))

    def _numbered(
        self, group: RowGroup, columns: tuple[str, ...] | None
    ) -> Iterator[Iterator[tuple[int, dict[str, Any]]]]:
        if not group.rows:
            return
        wanted = self._columns(columns)
        first, end = group.first_row, group.first_row + group.rows
        for rows in self._by_arrow(group, wanted):
            yield zip(range(first, first + len(rows)), rows)  # noqa: B905 - equally long
            first += len(rows)
        if first < end:
            for rows in self._by_tuples(first, end - 1, wanted):
                yield zip(range(first, first + len(rows)), rows)  # noqa: B905 - equally long
                first += len(rows)
        if first != end:
            read = first - group.first_row
            raise self._error(f"a row group yields {read} rows, but its footer says {group.rows}")

    def _by_arrow(self, group: RowGroup, columns: list[_Column]) -> Iterator[list[dict[str, Any]]]:
        """Yield the first rows of a group by the native extension: all, or those before the first
        that it does not make.

        Of long rows it makes none: Arrow holds all rows of a group at once.
        """
        most = self._limits.file_bytes // (2 * group.rows)
        known = native.extension is not None and all(column.flat for column in columns)
        if not known or _VALUE_BYTES * len(columns) > most:
            return
        from mapreduce.formats.arrow_rows import rows_of  # late: a map over columns needs it not

        names = tuple(column.name for column in columns)
        sql = self._selecting(
            group.first_row, group.first_row + group.rows - 1, columns, _checked(columns, most)
        )
        try:
            yield from rows_of(self._connection.sql(sql), names)
        except Exception:  # noqa: BLE001 - the rows that are left are read by tuples, which raise it
            if self._files.failed:
                raise self._files.failed.pop() from None

    def _by_tuples(
        self, first: int, last: int, columns: list[_Column]
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows [first, last] as Python's objects."""
        names = [column.name for column in columns]
        converters = [(column.name, column.convert) for column in columns if column.convert]
        for fetched in self._fetched(first, last, columns):
            rows = [dict(zip(names, values)) for values in fetched]  # noqa: B905 - and the number
            for name, convert in converters:
                for row in rows:
                    row[name] = convert(row[name])
            yield rows

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The database that reads the file; it has one open result at a time."""
        return self._connection

    def column_names(self, wanted: tuple[str, ...] | None) -> tuple[str, ...]:
        """Return the names of all columns, or of the wanted ones.

        Raises:
            RecordError: as `rows`.
        """
        return tuple(column.name for column in self._columns(wanted))

    def selected(self, names: Sequence[str], first: int, end: int) -> str:
        """Return the SELECT of some columns, as a record holds their values, of the rows
        [first, end).

        An entry of a map is a struct there, with `key` and `value`.
        """
        columns = self._all_columns()
        chosen = ", ".join(f"{columns[name].sql} AS {quoted_name(name)}" for name in names)
        return (
            f"SELECT {chosen or _ROW_NUMBER} FROM {_SCAN} "
            f"WHERE {_ROW_NUMBER} BETWEEN {first} AND {end - 1}"
        )

    @contextmanager
    def failures(self, reading: str) -> Iterator[None]:
        """Raise an error of the file in a query over it as this module's; pass those of the query.

        Args:
            reading: a query that reads the same and does no more: it fails too where the file is
                the cause.

        Raises:
            RecordError: as `opened`.
        """
        try:
            yield
        except duckdb.OutOfMemoryException:
            with self._errors():
                raise
        except duckdb.Error:
            if self._files.failed:
                raise self._files.failed.pop() from None
            with self._errors():
                self._connection.execute(f"SELECT count(COLUMNS(*)) FROM ({reading})").fetchall()
            raise

    def _with_bytes(self, found: list[tuple[int, int]]) -> list[RowGroup]:
        size = self._files.size_bytes
        first_row, placed = 0, []
        for rows, offset in found:
            if not 0 <= offset < size:
                raise self._error("a row group lies outside the file")
            placed.append((offset, first_row, rows))
            first_row += rows
        # an empty file gets one empty group, which accounts for all of its bytes
        placed = sorted(placed) or [(0, 0, 0)]
        edges = [0, *(offset for offset, _, _ in placed[1:]), size]
        return [
            RowGroup(first, rows, start, end)
            for (_, first, rows), (start, end) in zip(placed, pairwise(edges), strict=True)
        ]

    def _columns(self, wanted: tuple[str, ...] | None) -> list[_Column]:
        columns = self._all_columns()
        if missing := [name for name in wanted or () if name not in columns]:
            raise self._error(
                f"it has no column {missing[0]!r}, only {', '.join(map(repr, columns))}"
            )
        return [columns[name] for name in (columns if wanted is None else wanted)]

    def _all_columns(self) -> dict[str, _Column]:
        if not self._known:
            self._known = self._found_columns()
        return self._known

    def _found_columns(self) -> dict[str, _Column]:
        names = self._column_names()
        if len(set(names)) < len(names):
            raise self._error("two of its columns have the same name")
        if _ROW_NUMBER in map(str.lower, names):
            raise self._error(f"one of its columns has the reserved name {_ROW_NUMBER!r}")
        with self._errors():
            scan = self._connection.sql(f"SELECT * EXCLUDE ({_ROW_NUMBER}) FROM {_SCAN}")
            given, kinds = scan.columns, scan.types
        # DuckDB renames a column whose name differs from an earlier one only by case
        return {
            name: _Column(
                name,
                carriable_sql(kind, quoted),
                size_sql(kind, quoted),
                converter_of(kind),
                is_flat(kind),
            )
            for name, quoted, kind in zip(names, map(quoted_name, given), kinds, strict=True)
        }

    def _column_names(self) -> list[str]:
        """Return the names of the top-level columns as the file has them; their fields follow each
        one.
        """
        with self._errors():
            schema = f"SELECT name, coalesce(num_children, 0) FROM parquet_schema('{_PATH}')"
            (_, columns), *fields = self._connection.execute(schema).fetchall()
        # the schema is a tree in preorder: skip as many entries as the fields have children
        names: list[str] = []
        below = 0
        for name, children in fields:
            if not below:
                names.append(name)
            below += children - bool(below)
        return names[:columns]

    def _fetched(
        self, first: int, last: int, columns: list[_Column]
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows [first, last], a number behind the values of each; if one is long, in
        ranges of rows that fit the memory together.
        """
        size = _size_of(columns)
        # DuckDB builds rows by the vector: the query fails at a row that could make a vector too
        # large, and the rows are then read in smaller ranges
        number = _checked(columns, self._limits.file_bytes // _VECTOR_ROWS)
        try:
            for rows in self._range(first, last, columns, number):
                first += len(rows)
                yield rows
        except _LongRow:
            # a list, because the connection holds only one open result at a time
            for begin, end in list(self._ranges(first, last, size)):
                yield from self._range(begin, end, columns, _ROW_NUMBER)

    def _range(
        self, first: int, last: int, columns: list[_Column], number: str
    ) -> Iterator[list[tuple[Any, ...]]]:
        with self._errors():
            result = self._connection.execute(self._selecting(first, last, columns, number))
        yield from iter(lambda: self._next(result), [])

    def _selecting(self, first: int, last: int, columns: list[_Column], number: str) -> str:
        selected = ", ".join([*(column.sql for column in columns), number])
        return f"SELECT {selected} FROM {_SCAN} WHERE {_ROW_NUMBER} BETWEEN {first} AND {last}"

    def _next(self, result: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
        with self._errors():
            rows: list[tuple[Any, ...]] = result.fetchmany(_FETCH)
        return rows

    def _ranges(self, first: int, last: int, size: str) -> Iterator[tuple[int, int]]:
        """Yield ranges of rows that together are no longer than one row may be.

        Raises:
            RecordError: one row is longer.
        """
        limit, total, begin = self._limits.record_bytes, 0, first
        with self._errors():
            sizes = self._connection.execute(
                f"SELECT {_ROW_NUMBER}, {size} FROM {_SCAN} "
                f"WHERE {_ROW_NUMBER} BETWEEN {first} AND {last}"
            )
        for row, row_bytes in chain.from_iterable(iter(lambda: self._next(sizes), [])):
            if row_bytes > limit:
                hint = (
                    "Read fewer columns (Parquet(columns=[...])), "
                    "or write the file with shorter values"
                )
                raise too_long("a row", limit, hint, place=f"{self._source} at row {row}")
            if total + row_bytes > limit:
                yield begin, row - 1
                total, begin = 0, row
            total += row_bytes
        yield begin, last

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except duckdb.OutOfMemoryException as exc:
            limit = shown_bytes(memory_bytes(self._limits))
            raise self._error(
                f"one of its pages does not fit into {limit}, half of the task's memory "
                "(raise it with --task-memory)"
            ) from exc
        except duckdb.Error as exc:
            if _LONG in str(exc) and not self._files.failed:
                raise _LongRow from exc
            if not self._files.failed:
                raise self._error(
                    str(exc).strip().partition("\n")[0].replace(_PATH, "the file")
                ) from exc
        if self._files.failed:
            raise self._files.failed.pop()

    def _error(self, cause: str) -> RecordError:
        return RecordError(
            f"{self._source} cannot be read as Parquet: {cause}. Write it again from its source, "
            "or correct the job's input_format",
            place=self._source,
        )


def _size_of(columns: list[_Column]) -> str:
    """Return the SQL of a row's approximate bytes; "" if always few."""
    return " + ".join(filter(None, (column.size_sql for column in columns)))


def _checked(columns: list[_Column], most: int) -> str:
    """Return the SQL of a row's number, which fails where the row has more bytes."""
    size = _size_of(columns)
    if not size:
        return _ROW_NUMBER
    return f"CASE WHEN {size} > {most} THEN error('{_LONG}') ELSE {_ROW_NUMBER} END"


class _LongRow(Exception):
    """A row is too long to be built together with its neighbours."""


class _OneFile(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A file system that holds one file, for DuckDB.

    Attributes:
        size_bytes: of the file.
        failed: the error of a read, until it is taken and raised again. DuckDB gets no bytes
            instead, because the garbage collector does not see the objects that DuckDB holds (this
            one too) and all that they refer to.
    """

    protocol = _PROTOCOL
    cachable = False

    def __init__(self, size: int, read: ReadRange) -> None:
        super().__init__()
        self.size_bytes = size
        self.failed: list[Exception] = []
        self._read = read

    def glob(self, path: str, **_options: object) -> list[str]:
        """Return the file, whatever the pattern."""
        return [path]

    def info(self, path: str, **_options: object) -> dict[str, object]:
        """Return the file's description for fsspec."""
        return {"name": path, "size": self.size_bytes, "type": "file"}

    def modified(self, _path: str) -> datetime:
        """Return a constant: `read` checks the file's ETag."""
        return datetime(2000, 1, 1, tzinfo=UTC)

    def _open(self, _path: str, _mode: str = "rb", **_options: object) -> _RangeFile:
        return _RangeFile(self.size_bytes, self._range)

    def _range(self, start: int, end: int) -> bytes:
        try:
            return b"".join(self._read(start, end))
        except Exception as exc:  # noqa: BLE001 - raised again after DuckDB has returned
            self.failed[:] = [exc]
            return b""


class _RangeFile(io.RawIOBase):
    """A file whose ranges are read on demand."""

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        self._size = size
        self._read = read
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        end = self._size if size is None or size < 0 else min(self._position + size, self._size)
        if self._position >= end:
            return b""
        data = self._read(self._position, end)
        self._position = end
        return data
