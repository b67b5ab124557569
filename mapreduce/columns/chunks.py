"""Chunks of records: what a query reads at once, and which of its records an error is about.

A chunk of text is read as columns by the fastest means that reads exactly what the format's reader
does. Where that cannot be, the reader's rows become the columns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol, cast

from mapreduce.columns.database import DuckDBPyConnection
from mapreduce.columns.kinds import quoted_name
from mapreduce.columns.query import Source
from mapreduce.columns.table import Column, Table
from mapreduce.formats.base import BadRecord, RecordBatch
from mapreduce.formats.json_columns import NamedFields, packed_columns, utf8_lines
from mapreduce.formats.named_rows import chosen
from mapreduce.formats.parquet_columns import GroupColumns
from mapreduce.formats.separated_columns import text_columns
from mapreduce.input_formats import ColumnKind, Csv, Format, JsonLines
from mapreduce.wire.messages import ByteRange

_NAME = "chunk"

Record = tuple[Any, Any]
Database = Callable[[], DuckDBPyConnection]
"""Returns the task's database, which is opened at the first call."""


class Chunk(Protocol):
    """Some neighbouring records."""

    def __len__(self) -> int:
        """Return the number of records; known once they were read."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns."""

    @property
    def is_last(self) -> bool:
        """The database that reads the chunk is closed after it."""

    def bad(self) -> list[Record]:
        """Return the records that do not have the format, which no query sees."""

    def table(self, names: Sequence[str]) -> Any:
        """Return some columns as an object with the Arrow PyCapsule interface."""

    def source(self, connection: Database, names: Sequence[str]) -> AbstractContextManager[Source]:
        """Return what a query reads, at least these columns of it."""

    def database(self, default: Database) -> DuckDBPyConnection:
        """Return the database that reads the records: the given one, or its own."""

    def part(self, begin: int, end: int) -> Chunk:
        """Return the records [begin, end) of this chunk."""

    def record(self) -> Record:
        """Return the first record and its key."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A table that a database knows by a name."""

    connection: DuckDBPyConnection
    names: tuple[str, ...]

    def relation(self, names: Sequence[str]) -> str:
        """Return the SELECT of some columns."""
        chosen = ", ".join(map(quoted_name, names))
        return f"SELECT {chosen or '1'} FROM {_NAME}"

    def errors(self) -> AbstractContextManager[None]:
        """Pass all errors: there is nothing to read."""
        return nullcontext()


@contextmanager
def registered(
    connection: DuckDBPyConnection, table: Any, names: tuple[str, ...]
) -> Iterator[Registered]:
    """Let a database read a table for the time of the context."""
    connection.register(_NAME, table)
    try:
        yield Registered(connection, names)
    finally:
        connection.unregister(_NAME)


class Rows:
    """Rows of a reader, as columns."""

    def __init__(self, rows: Sequence[Record], kinds: dict[str, ColumnKind]) -> None:
        self._rows = rows
        self._kinds = kinds
        self._good = [each for each in rows if type(each[1]) is not BadRecord]

    def __len__(self) -> int:
        return len(self._good)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._kinds)

    @property
    def is_last(self) -> bool:
        return False

    def bad(self) -> list[Record]:
        return [each for each in self._rows if type(each[1]) is BadRecord]

    def table(self, names: Sequence[str]) -> Table:
        columns = {}
        for name in names:
            values = [row[name] for _, row in self._good]
            kind = self._kinds[name]
            columns[name] = kind, _json(values) if kind == "object" else values
        return Table(columns, len(self._good))

    @contextmanager
    def source(self, connection: Database, names: Sequence[str]) -> Iterator[Source]:
        with registered(connection(), self.table(names), self.names) as source:
            yield source if "object" not in self._kinds.values() else _WithJson(source, self._kinds)

    def database(self, default: Database) -> DuckDBPyConnection:
        return default()

    def part(self, begin: int, end: int) -> Rows:
        return Rows(self._good[begin:end], self._kinds)

    def record(self) -> Record:
        return self._good[0]


class Lines:
    """Whole rows or lines of text, with the reader's records of them."""

    def __init__(self, batch: RecordBatch, byte_range: ByteRange) -> None:
        self._batch = batch
        self._form = byte_range.format
        self._header = byte_range.header or ()
        self._kinds = kinds_of(self._form, byte_range.header)
        self._rows: Rows | None = None
        self._length = 0

    def __len__(self) -> int:
        return self._length if self._rows is None else len(self._rows)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._kinds)

    @property
    def is_last(self) -> bool:
        return False

    def bad(self) -> list[Record]:
        return [] if self._rows is None else self._rows.bad()

    def table(self, names: Sequence[str]) -> Table:
        found = None if self._rows is not None else self._columns(names)
        if found is None:
            return self._read().table(names)
        self._length, columns = found
        chosen: dict[str, tuple[ColumnKind, Column]] = {
            name: (self._kinds[name], column) for name, column in zip(names, columns, strict=True)
        }
        return Table(chosen, self._length)

    @contextmanager
    def source(self, connection: Database, names: Sequence[str]) -> Iterator[Source]:
        if "object" in self._kinds.values():
            with self._read().source(connection, names) as source:
                yield source
            return
        with registered(connection(), self.table(names), self.names) as registration:
            yield registration

    def database(self, default: Database) -> DuckDBPyConnection:
        return default()

    def part(self, begin: int, end: int) -> Rows:
        return self._read().part(begin, end)

    def record(self) -> Record:
        return self._read().record()

    def _read(self) -> Rows:
        if self._rows is None:
            self._rows = Rows(list(self._batch.records), self._kinds)
        return self._rows

    def _columns(self, names: Sequence[str]) -> tuple[int, Sequence[Column]] | None:
        data, offset = self._batch.data or b"", self._batch.offset
        if isinstance(self._form, Csv):
            return text_columns(self._form, data, offset, self._header, names)
        assert isinstance(self._form, JsonLines)
        whole = utf8_lines(self._form, data, offset)
        if whole is None:
            return None
        packed = packed_columns(self._kinds, whole, names)
        if packed is not None:
            return packed
        lists = NamedFields(self._form.columns or {}).lists(whole, names)
        return None if lists is None or not lists else (len(lists[0]), lists)


class Group:
    """Rows of a Parquet file."""

    def __init__(self, columns: GroupColumns) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return self._columns.end - self._columns.first

    @property
    def names(self) -> tuple[str, ...]:
        return self._columns.names

    @property
    def is_last(self) -> bool:
        return self._columns.is_last

    def bad(self) -> list[Record]:
        return []

    def table(self, names: Sequence[str]) -> _Stored:
        return _Stored(self._columns, tuple(names), len(self))

    @contextmanager
    def source(self, _connection: Database, _names: Sequence[str]) -> Iterator[Source]:
        yield self._columns

    def database(self, _default: Database) -> DuckDBPyConnection:
        return self._columns.connection

    def part(self, begin: int, end: int) -> Group:
        first = self._columns.first
        return Group(self._columns.rows(first + begin, first + end))

    def record(self) -> Record:
        return self._columns.first, None


@dataclass(frozen=True, slots=True)
class _Stored:
    """Columns of a Parquet file as a `Table`, read when they are asked for."""

    columns: GroupColumns
    names: tuple[str, ...]
    length: int

    def __len__(self) -> int:
        return self.length

    def column(self, name: str) -> list[Any]:
        if name not in self.names:
            raise KeyError(name)
        with self.columns.errors():
            sql = self.columns.relation([name])
            return [value for (value,) in self.columns.connection.execute(sql).fetchall()]

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        with self.columns.errors():
            relation = self.columns.connection.sql(self.columns.relation(self.names))
            return cast("object", relation.__arrow_c_stream__())


@dataclass(frozen=True, slots=True)
class _WithJson:
    """A source whose columns of any JSON value have the type JSON."""

    source: Registered
    kinds: dict[str, ColumnKind]

    @property
    def connection(self) -> DuckDBPyConnection:
        return self.source.connection

    @property
    def names(self) -> tuple[str, ...]:
        return self.source.names

    def relation(self, names: Sequence[str]) -> str:
        chosen = ", ".join(
            f"CAST({quoted_name(name)} AS JSON) AS {quoted_name(name)}"
            if self.kinds[name] == "object"
            else quoted_name(name)
            for name in names
        )
        return f"SELECT {chosen} FROM {_NAME}"

    def errors(self) -> AbstractContextManager[None]:
        return nullcontext()


def chunk_of(batch: RecordBatch, byte_range: ByteRange) -> Chunk:
    """Return the records of a batch of CSV, JSON Lines or Parquet."""
    return Lines(batch, byte_range) if batch.columns is None else Group(batch.columns)


def kinds_of(form: Format, header: tuple[str, ...] | None) -> dict[str, ColumnKind]:
    """Return the columns of a text format, with their types."""
    if isinstance(form, JsonLines):
        return dict(form.columns or {})
    names = header or ()
    return dict.fromkeys(chosen(form, names) if isinstance(form, Csv) else names, "str")


def gathered(batches: Iterable[RecordBatch], size: int, rows: int) -> Iterator[RecordBatch]:
    """Yield neighbouring batches together: a query over many records costs less.

    Args:
        batches: of one byte range.
        size: the bytes of text that are enough.
        rows: the rows of stored columns that are enough.
    """
    held: list[RecordBatch] = []
    length = 0
    for batch in batches:
        stored = batch.columns
        if held and stored is not None and not _follows(held[-1], stored):
            yield _joined(held)
            held, length = [], 0
        held.append(batch)
        length += len(batch.data or b"") if stored is None else stored.end - stored.first
        # the file of the last rows is closed when the next batch is asked for
        if length >= (size if stored is None else rows) or (stored and stored.is_last):
            yield _joined(held)
            held, length = [], 0
    if held:
        yield _joined(held)


def _follows(before: RecordBatch, columns: GroupColumns) -> bool:
    return before.columns is not None and before.columns.end == columns.first


def _joined(batches: list[RecordBatch]) -> RecordBatch:
    first, last = batches[0], batches[-1]
    if len(batches) == 1:
        return first
    columns = None
    if first.columns is not None and last.columns is not None:
        columns = last.columns.rows(first.columns.first, last.columns.end)
    return RecordBatch(
        first.start,
        sum(batch.length for batch in batches),
        chain.from_iterable([batch.records for batch in batches]),
        None if columns else b"".join(batch.data or b"" for batch in batches),
        next((batch.offset for batch in batches if batch.data), first.offset),
        columns,
    )


def _json(values: list[Any]) -> list[str | None]:
    return [None if value is None else json.dumps(value) for value in values]
