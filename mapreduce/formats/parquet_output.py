"""Write a table as a Parquet file, with the column types of `mapreduce.formats.column_types`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from mapreduce.errors import NotWritten
from mapreduce.formats.column_types import quoted_name
from mapreduce.formats.parquet_types import quoted_text
from mapreduce.formats.table import KEY_AND_VALUE
from mapreduce.formats.typed_rows import Rows, Typed, batches_of

_ROW_GROUP_ROWS = 122_880
_ROW_GROUP_BYTES = 64 << 20
_MEMORY_BYTES = 512 << 20
_VECTOR_ROWS = 2048
_VECTORS_HELD = 8
"""Copies of 2048 rows, its smallest unit, that DuckDB holds while it writes (measured, rounded up).
"""


def write_parquet(
    rows: Rows,
    path: Path,
    names: Sequence[str] = KEY_AND_VALUE,
    typed: Typed | None = None,
) -> None:
    """Write a table.

    Memory does not grow with the number of rows; the disk beside the file is used meanwhile.

    Args:
        rows: of the table; called twice without `typed`.
        path: the file; an existing one is replaced.
        names: of the columns.
        typed: the columns, where they are known.

    Raises:
        NotWritten: DuckDB cannot write the file, or its temporary files.
    """
    try:
        _write(rows, path, typed or Typed.of(rows(), names))
    except duckdb.Error as exc:
        why = str(exc).strip().partition("\n")[0]
        raise NotWritten(f"{path} cannot be written: {why}") from exc


def _write(rows: Rows, path: Path, typed: Typed) -> None:
    with TemporaryDirectory(dir=path.parent, prefix=".parquet-") as scratch:
        config: dict[str, Any] = {
            "threads": 1,
            "temp_directory": scratch,
            "memory_limit": _limit(_MEMORY_BYTES),
        }
        with duckdb.connect(f"{scratch}/rows.duckdb", config=config) as connection:
            declared = ", ".join(
                f"{quoted_name(name)} {kind.sql}"
                for name, kind in zip(typed.names, typed.types, strict=True)
            )
            connection.execute(f"CREATE TABLE result ({declared})")
            # the largest average row of a batch sizes the row groups and DuckDB's memory
            largest_bytes = 1
            for batch in batches_of(rows(), typed):
                connection.register("batch", batch.arrow())
                connection.execute("INSERT INTO result SELECT * FROM batch")
                connection.unregister("batch")
                largest_bytes = max(largest_bytes, batch.size // batch.rows)
            group = min(max(_ROW_GROUP_BYTES // largest_bytes, 1), _ROW_GROUP_ROWS)
            memory = max(_MEMORY_BYTES, _VECTORS_HELD * _VECTOR_ROWS * largest_bytes)
            connection.execute(f"SET memory_limit = '{_limit(memory)}'")
            options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {group}"
            connection.execute(f"COPY result TO {quoted_text(str(path))} ({options})")


def _limit(size: int) -> str:
    return f"{size >> 20}MiB"
