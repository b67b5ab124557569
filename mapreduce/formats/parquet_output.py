"""Write a result as a Parquet file with the columns `key` and `value`.

A column's type follows from all of its values: VARCHAR for texts, BIGINT for integers of 64 bits,
DOUBLE for numbers, BOOLEAN. Anything else, and values that would not come back unchanged (an
integer beyond 2**53 among floats), makes it a VARCHAR column of JSON texts. None is NULL in all of
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeAlias, cast

import duckdb
import msgspec
import nanoarrow
from nanoarrow.c_array_stream import CArrayStream

from mapreduce.errors import NotWritten
from mapreduce.formats.output import JsonPair
from mapreduce.formats.parquet_types import quoted_text

_SqlType: TypeAlias = Literal["VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN"]

_BATCH_PAIRS = 10_000
_BATCH_BYTES = 16 << 20
_ROW_GROUP_ROWS = 122_880
_ROW_GROUP_BYTES = 64 << 20
_MEMORY_BYTES = 512 << 20
_VECTOR_ROWS = 2048
_VECTORS_HELD = 8
"""Copies of 2048 rows, its smallest unit, that DuckDB holds while it writes (measured, rounded up).
"""

_EXACT_AS_FLOAT = 1 << 53
_FIXED_BYTES = 8

_ARROW = {
    "VARCHAR": nanoarrow.large_string(),
    "BIGINT": nanoarrow.int64(),
    "DOUBLE": nanoarrow.float64(),
    "BOOLEAN": nanoarrow.bool_(),
}
_encode = msgspec.json.Encoder().encode


def write_parquet(pairs: Callable[[], Iterable[JsonPair]], path: Path) -> None:
    """Write a result.

    Memory does not grow with the number of pairs; the disk beside the file is used meanwhile.

    Args:
        pairs: returns keys and values as `jsonable` returns them; it is called twice.
        path: the file; an existing one is replaced.

    Raises:
        NotWritten: DuckDB cannot write the file, or its temporary files.
    """
    try:
        _write(pairs, path)
    except duckdb.Error as exc:
        why = str(exc).strip().partition("\n")[0]
        raise NotWritten(f"{path} cannot be written: {why}") from exc


def _write(pairs: Callable[[], Iterable[JsonPair]], path: Path) -> None:
    key, value = _columns(pairs())
    with TemporaryDirectory(dir=path.parent, prefix=".parquet-") as scratch:
        config: dict[str, Any] = {
            "threads": 1,
            "temp_directory": scratch,
            "memory_limit": _limit(_MEMORY_BYTES),
        }
        with duckdb.connect(f"{scratch}/pairs.duckdb", config=config) as connection:
            connection.execute(f"CREATE TABLE pairs (key {key.sql_type}, value {value.sql_type})")
            # the largest average row of a batch sizes the row groups and DuckDB's memory
            largest_bytes = 1
            for batch in _batches(pairs(), key, value):
                _insert(connection, batch, key, value)
                largest_bytes = max(largest_bytes, batch.size // len(batch.keys))
            rows = min(max(_ROW_GROUP_BYTES // largest_bytes, 1), _ROW_GROUP_ROWS)
            memory = max(_MEMORY_BYTES, _VECTORS_HELD * _VECTOR_ROWS * largest_bytes)
            connection.execute(f"SET memory_limit = '{_limit(memory)}'")
            options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {rows}"
            connection.execute(f"COPY pairs TO {quoted_text(str(path))} ({options})")


def _limit(size: int) -> str:
    return f"{size >> 20}MiB"


@dataclass(slots=True)
class _Column:
    """The types and the range of a column's values."""

    kinds: set[type] = field(default_factory=set)
    largest: int = 0

    def add(self, value: Any) -> None:
        """Record a value."""
        kind = type(value)
        self.kinds.add(kind)
        if kind is int:
            # ~value: the range of 64 bits has one more negative number
            self.largest = max(self.largest, value if value >= 0 else ~value)

    @property
    def sql_type(self) -> _SqlType:
        """The column's type."""
        kinds = self.kinds - {type(None)}
        if kinds == {bool}:
            return "BOOLEAN"
        if kinds == {int} and self.largest < 1 << 63:
            return "BIGINT"
        if kinds == {float} or (kinds == {int, float} and self.largest < _EXACT_AS_FLOAT):
            return "DOUBLE"
        return "VARCHAR"

    def cells(self) -> Callable[[Any], Any]:
        """Return the function that converts a value to the column's type."""
        plain = self.sql_type != "VARCHAR" or self.kinds <= {str, type(None)}
        return _same if plain else _json_text


def _same(value: Any) -> Any:
    return value


def _json_text(value: Any) -> str | None:
    return None if value is None else _encode(value).decode()


@dataclass(frozen=True, slots=True)
class _Batch:
    """Some pairs as cells, and their approximate bytes."""

    keys: Sequence[Any]
    values: Sequence[Any]
    size: int


def _columns(pairs: Iterable[JsonPair]) -> tuple[_Column, _Column]:
    keys, values = _Column(), _Column()
    for key, value in pairs:
        keys.add(key)
        values.add(value)
    return keys, values


def _batches(pairs: Iterable[JsonPair], key: _Column, value: _Column) -> Iterator[_Batch]:
    keys: list[Any] = []
    values: list[Any] = []
    size = 0
    key_cell, value_cell = key.cells(), value.cells()
    for pair in pairs:
        cells = key_cell(pair[0]), value_cell(pair[1])
        keys.append(cells[0])
        values.append(cells[1])
        size += sum(len(cell) if type(cell) is str else _FIXED_BYTES for cell in cells)
        if size >= _BATCH_BYTES or len(keys) >= _BATCH_PAIRS:
            yield _Batch(keys, values, size)
            keys, values, size = [], [], 0
    if keys:
        yield _Batch(keys, values, size)


def _insert(
    connection: duckdb.DuckDBPyConnection, batch: _Batch, key: _Column, value: _Column
) -> None:
    kinds = {"key": _ARROW[key.sql_type], "value": _ARROW[value.sql_type]}
    columns = [
        nanoarrow.c_array(batch.keys, kinds["key"]),
        nanoarrow.c_array(batch.values, kinds["value"]),
    ]
    connection.register("batch", _ArrowRows(nanoarrow.struct(kinds), columns, len(batch.keys)))
    connection.execute("INSERT INTO pairs SELECT * FROM batch")
    connection.unregister("batch")


class _ArrowRows:
    """Rows for DuckDB, through the Arrow PyCapsule interface, without pyarrow."""

    def __init__(self, row: nanoarrow.Schema, columns: list[Any], length: int) -> None:
        self._schema = nanoarrow.c_schema(row)
        self._rows = nanoarrow.c_array_from_buffers(row, length, [None], children=columns)

    def __arrow_c_schema__(self) -> object:
        return cast("object", self._schema.__arrow_c_schema__())

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        stream = CArrayStream.from_c_arrays([self._rows], self._schema, validate=False)
        return cast("object", stream.__arrow_c_stream__())
