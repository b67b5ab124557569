"""The types of DuckDB, as this package reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from mapreduce.formats.parquet_types import quoted_name, quoted_text

if TYPE_CHECKING:
    from mapreduce.columns.database import DuckDBPyType

Kind: TypeAlias = "DuckDBPyType"

INTEGERS = frozenset(
    f"{sign}{name}" for sign in ("", "u") for name in ("tinyint", "smallint", "integer", "bigint")
)
"""Integers whose sums DuckDB computes exactly."""

__all__ = ["INTEGERS", "Kind", "converter_of", "field_sql", "fields_of", "quoted_name"]


def fields_of(kind: Kind) -> dict[str, Kind] | None:
    """Return the fields of a struct with names; None for any other type."""
    if kind.id != "struct":
        return None
    return dict(cast("list[tuple[str, Kind]]", kind.children))


def field_sql(value: str, name: str) -> str:
    """Return the SQL of a struct's field."""
    return f"struct_extract({value}, {quoted_text(name)})"


def converter_of(kind: Kind) -> Callable[[Any], Any] | None:
    """Return what makes a record's value of one that DuckDB returns; None if it is one."""
    if str(kind) == "JSON":
        return lambda text: None if text is None else json.loads(text)
    return None
