"""The types of DuckDB, as this package reads them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from mapreduce.formats.parquet_types import quoted_name, quoted_text

if TYPE_CHECKING:
    from mapreduce.columns.database import DuckDBPyType

Kind: TypeAlias = "DuckDBPyType"
Converter: TypeAlias = Callable[[Any], Any]

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
    "type_name",
]


def are_all(kind: Kind, plain: frozenset[str]) -> bool:
    """Return whether a type is one of these, or a tuple of these."""
    if kind.id != "tuple":
        return type_name(kind) in plain
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
_MOST_STEPS = 64
"""Of a key: KEY_STEPS in mapreduce/native/key_columns.h."""


def key_fields(key: str, kind: Kind) -> tuple[str, list[str]] | None:
    """Return what the native collector calls the fields of a key, and their SQL.

    Args:
        key: the SQL of a key.
        kind: its type.

    Returns:
        "t" for a text, "n" for an integer of 64 bits, "b" for a bool as 0 or 1, and "(" and ")"
        around the fields of a tuple; and the SQL of each field. None: there is another type, or
        there are more steps than the collector reads.
    """
    found = _key_fields(key, kind)
    return None if found is None or len(found[0]) > _MOST_STEPS else found


def _key_fields(key: str, kind: Kind) -> tuple[str, list[str]] | None:
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
        found = _key_fields(f"struct_extract({key}, {at})", child)
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
    return [child for _, child in _children(kind)]


def fields_of(kind: Kind) -> dict[str, Kind] | None:
    """Return the fields of a struct with names; None for any other type."""
    if kind.id != "struct":
        return None
    return dict(_children(kind))


def field_sql(value: str, name: str) -> str:
    """Return the SQL of a struct's field."""
    return f"struct_extract({value}, {quoted_text(name)})"


def type_name(kind: Kind) -> str:
    """Return the name of a type; JSON has one of its own, though DuckDB holds it as a text."""
    return "json" if str(kind) == "JSON" else kind.id


def converter_of(kind: Kind) -> Converter | None:
    """Return what makes a record's value of one that DuckDB returns; None if it is one."""
    match type_name(kind):
        case "json":
            return _but_null(json.loads)
        case "struct":
            fields = [converter_of(child) for _, child in _children(kind)]
            return _but_null(_of_fields(fields)) if any(fields) else None
        case "tuple":
            items = list(map(converter_of, items_of(kind)))
            return _but_null(lambda row: tuple(_each(items, row))) if any(items) else None
        case "list" | "array":
            item = converter_of(dict(_children(kind))["child"])
            return _but_null(_of_list(item)) if item else None
        case "map":
            item = converter_of(dict(_children(kind))["value"])
            return _but_null(_of_map(item)) if item else None
        case _:
            return None


def _but_null(convert: Converter) -> Converter:
    return lambda value: None if value is None else convert(value)


def _each(converters: Sequence[Converter | None], values: Iterable[Any]) -> Iterator[Any]:
    for convert, value in zip(converters, values, strict=True):
        yield value if convert is None else convert(value)


def _of_fields(fields: Sequence[Converter | None]) -> Converter:
    return lambda row: dict(zip(row, _each(fields, row.values()), strict=True))


def _of_list(item: Converter) -> Converter:
    return lambda items: type(items)(map(item, items))


def _of_map(item: Converter) -> Converter:
    # the keys stay texts: no dict takes a list as a key
    return lambda entries: {key: item(value) for key, value in entries.items()}


def _children(kind: Kind) -> list[tuple[str, Kind]]:
    return cast("list[tuple[str, Kind]]", kind.children)
