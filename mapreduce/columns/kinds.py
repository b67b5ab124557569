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
FLOATS = frozenset(("float", "double"))

__all__ = [
    "FLOATS",
    "INTEGERS",
    "PACKED_INTEGERS",
    "Kind",
    "are_all",
    "bytes_sql",
    "converter_of",
    "field_sql",
    "fields_of",
    "items_of",
    "key_fields",
    "null_tuple_sql",
    "quoted_name",
]


def are_all(kind: Kind, plain: frozenset[str]) -> bool:
    """Return whether a type is one of these, or a tuple of these."""
    if kind.id != "tuple":
        return kind.id in plain
    return all(are_all(child, plain) for child in items_of(kind))


def bytes_sql(value: str, kind: Kind) -> str:
    """Return the SQL of the bytes of text in a value."""
    if kind.id == "varchar":
        return f"coalesce(strlen({value}), 0)"
    if kind.id != "tuple":
        return "0"
    sizes = (
        bytes_sql(f"struct_extract({value}, {at})", child)
        for at, child in enumerate(items_of(kind), start=1)
    )
    return " + ".join(size for size in sizes if size != "0") or "0"


PACKED_INTEGERS = INTEGERS - {"ubigint"}
"""Types whose values fit 64 bits with a sign."""


def key_fields(key: str, kind: Kind) -> tuple[str, list[str]] | None:
    """Return what the native collector calls the fields of a key, and their SQL.

    Args:
        key: the SQL of a key.
        kind: its type.

    Returns:
        "t" for a text, "n" for an integer of 64 bits, "b" for a bool as 0 or 1, and "(" and ")"
        around the fields of a tuple; and the SQL of each field. None: there is another type.
    """
    if kind.id == "varchar":
        return "t", [key]
    if kind.id in PACKED_INTEGERS:
        return "n", [f"CAST({key} AS BIGINT)"]
    if kind.id == "boolean":
        return "b", [f"CAST({key} AS BIGINT)"]
    if kind.id != "tuple":
        return None
    steps, fields = "(", []
    for at, child in enumerate(items_of(kind), start=1):
        found = key_fields(f"struct_extract({key}, {at})", child)
        if found is None:
            return None
        steps += found[0]
        fields += found[1]
    return steps + ")", fields


def null_tuple_sql(value: str, kind: Kind) -> str:
    """Return the SQL of whether a value is a tuple and NULL, or has one in it."""
    if kind.id != "tuple":
        return "false"
    within = (
        null_tuple_sql(f"struct_extract({value}, {at})", child)
        for at, child in enumerate(items_of(kind), start=1)
    )
    return " OR ".join([f"{value} IS NULL", *(each for each in within if each != "false")])


def items_of(kind: Kind) -> list[Kind]:
    """Return the types of a tuple's items."""
    return [child for _, child in cast("list[tuple[str, Kind]]", kind.children)]


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
