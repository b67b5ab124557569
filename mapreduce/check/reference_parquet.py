"""Parquet for the reference run: one query over a whole file, then Python.

Shares nothing with the engine (`mapreduce.formats`), so that a wrong conversion there shows as a
difference. DuckDB only writes values that are not numbers, text or bytes as text, a whole column at
once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

import duckdb

from mapreduce.input_formats import Parquet

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType

_INTEGERS = frozenset(
    f"{sign}{size}int" for sign in ("", "u") for size in ("tiny", "small", "big", "huge")
)
_KEPT = _INTEGERS | {"integer", "uinteger", "boolean", "varchar", "blob", "float", "double"}
_NESTED = frozenset(("struct", "list", "array", "map"))


def plain_rows(content: bytes, form: Parquet) -> list[dict[str, Any]]:
    """Return all rows of a file.

    If a map inside a list, struct or map has a key twice, its last entry counts.
    """
    with TemporaryDirectory() as folder, duckdb.connect() as connection:
        path = Path(folder) / "whole.parquet"
        path.write_bytes(content)
        scan = (
            f"read_parquet('{str(path).replace(chr(39), chr(39) * 2)}', hive_partitioning = false)"
        )
        connection.execute("SET TimeZone = 'UTC'; SET enable_geoparquet_conversion = false")
        relation = connection.sql(f"SELECT * FROM {scan}")
        kinds = dict(zip(relation.columns, relation.types, strict=True))
        names = relation.columns if form.columns is None else list(form.columns)
        selected = [_selected(name, kinds[name]) for name in names]
        found = connection.execute(
            f"SELECT {', '.join(['NULL', *selected])} FROM {scan}"
        ).fetchall()
    return [
        {name: _carried(value, kinds[name]) for name, value in zip(names, row[1:], strict=True)}
        for row in found
    ]


def _selected(name: str, kind: DuckDBPyType) -> str:
    column = f"CAST({_quoted(name)} AS {_sql_type(kind)})"
    # as a dict, a map would lose duplicate keys
    return f"map_entries({column})" if kind.id == "map" else column


def _sql_type(kind: DuckDBPyType) -> str:
    """Return the type with VARCHAR for each part that is not a number, text or bytes."""
    match kind.id:
        case "struct":
            fields = (
                f"{_quoted(name)} {_sql_type(cast('DuckDBPyType', child))}"
                for name, child in kind.children
            )
            return f"STRUCT({', '.join(fields)})"
        case "list" | "array":
            return f"{_sql_type(_child(kind))}[]"
        case "map":
            children = (_sql_type(cast("DuckDBPyType", child)) for _, child in kind.children)
            return f"MAP({', '.join(children)})"
        case name:
            return name if name in _KEPT else "VARCHAR"


def _carried(value: Any, kind: DuckDBPyType) -> Any:
    """Return a value as a record holds it."""
    if value is None:
        return None
    match kind.id:
        case "float" | "double":
            return None if math.isnan(value) else value
        case "struct":
            return {
                name: _carried(value[name], cast("DuckDBPyType", child))
                for name, child in kind.children
            }
        case "list" | "array":
            return [_carried(item, _child(kind)) for item in value]
        case "map":
            (_, key), (_, content) = cast("list[tuple[str, DuckDBPyType]]", kind.children)
            return [
                [_carried(name, key), _carried(item, content)]
                for name, item in _entries(value, key)
            ]
        case name:
            return value.replace(" ", "T", 1) if name.startswith("timestamp") else value


def _entries(value: Any, key: DuckDBPyType) -> Iterable[tuple[Any, Any]]:
    """Return the entries of a map from DuckDB: a list, a dict, or two lists if the keys are
    unhashable.
    """
    if isinstance(value, list):
        return [(entry["key"], entry["value"]) for entry in value]
    if key.id in _NESTED:
        return zip(value["key"], value["value"], strict=True)
    return cast("dict[Any, Any]", value).items()


def _child(kind: DuckDBPyType) -> DuckDBPyType:
    return cast("DuckDBPyType", kind.children[0][1])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
