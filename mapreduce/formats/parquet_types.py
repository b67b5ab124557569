"""Convert Parquet's types to those of a record: mostly in SQL, the rest in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType

Converter = Callable[[Any], Any]

_ITEM_BYTES = 16
"""Approximate bytes of a list's item beside its text."""

_INTEGERS = ("tinyint", "smallint", "integer", "bigint", "hugeint")
_AS_THEY_ARE = frozenset(
    (*_INTEGERS, *(f"u{name}" for name in _INTEGERS), "boolean", "varchar", "blob")
)


def carriable_sql(kind: DuckDBPyType, value: str, depth: int = 0) -> str:
    """Return the SQL that converts a value to a type that a record supports.

    Args:
        kind: the type of the value.
        value: the SQL of the value; returned unchanged if no conversion is needed.
        depth: the number of lists around it.
    """
    match kind.id:
        case "float" | "double":
            return f"nullif({value}, 'nan'::{kind.id})"
        case "struct":
            return _struct_sql(kind, value, depth)
        case "list":
            return _each_sql(_children(kind)["child"], value, depth)
        case "map":
            return _map_sql(kind, value, depth)
        case "varchar" if str(kind) == "JSON":
            return f"CAST({value} AS VARCHAR)"
        case name if name in _AS_THEY_ARE:
            return value
        case name if name.startswith("timestamp"):
            return f"replace(CAST({value} AS VARCHAR), ' ', 'T')"
        case _:
            return f"CAST({value} AS VARCHAR)"


def is_flat(kind: DuckDBPyType) -> bool:
    """Return whether a `carriable_sql` value is a text, bytes, a boolean, or a number of at most 64
    bits.
    """
    return kind.id not in ("struct", "list", "map", "hugeint", "uhugeint")


def converter_of(kind: DuckDBPyType) -> Converter | None:
    """Return the conversion of a `carriable_sql` value in Python: map entries are dicts, become
    lists.
    """
    match kind.id:
        case "struct":
            return _struct_converter(
                {name: converter_of(child) for name, child in _children(kind).items()}
            )
        case "list":
            item = converter_of(_children(kind)["child"])
            return _list_converter(item) if item else None
        case "map":
            key, value = _children(kind).values()
            return _map_converter(converter_of(key) or _same, converter_of(value) or _same)
        case _:
            return None


def size_sql(kind: DuckDBPyType, value: str, depth: int = 0) -> str:
    """Return the SQL of a value's approximate bytes, computed without a copy; "" if always few.

    Args:
        kind: the type of the value.
        value: the SQL of the value.
        depth: the number of lists around it.
    """
    match kind.id:
        case "varchar":
            return f"coalesce(strlen({value}), 0)"
        case "blob":
            return f"coalesce(octet_length({value}), 0)"
        case "struct":
            fields = (
                size_sql(child, f"struct_extract({value}, {quoted_text(name)})", depth)
                for name, child in _children(kind).items()
            )
            return " + ".join(filter(None, fields))
        case "list":
            return _list_size(_children(kind)["child"], value, depth)
        case "map":
            key, content = _children(kind).values()
            keys, contents = f"map_keys({value})", f"map_values({value})"
            return f"{_list_size(key, keys, depth)} + {_list_size(content, contents, depth)}"
        case _:
            return ""


def _list_size(kind: DuckDBPyType, value: str, depth: int) -> str:
    item = f"s{depth}"
    of_item = size_sql(kind, item, depth + 1)
    items = f"{_ITEM_BYTES} * coalesce(len({value}), 0)"
    if not of_item:
        return items
    return f"{items} + coalesce(list_sum(list_transform({value}, lambda {item}: {of_item})), 0)"


def quoted_name(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quoted_text(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _children(kind: DuckDBPyType) -> dict[str, DuckDBPyType]:
    return dict(cast("list[tuple[str, DuckDBPyType]]", kind.children))


def _struct_sql(kind: DuckDBPyType, value: str, depth: int) -> str:
    fields = {
        name: (child, f"struct_extract({value}, {quoted_text(name)})")
        for name, child in _children(kind).items()
    }
    made = {name: carriable_sql(child, field, depth) for name, (child, field) in fields.items()}
    if all(made[name] == field for name, (_, field) in fields.items()):
        return value
    packed = ", ".join(f"{quoted_name(name)} := {field}" for name, field in made.items())
    # struct_pack of NULL fields would turn a NULL struct into a struct of NULLs
    return f"CASE WHEN {value} IS NULL THEN NULL ELSE struct_pack({packed}) END"


def _each_sql(kind: DuckDBPyType, value: str, depth: int) -> str:
    item = f"x{depth}"
    made = carriable_sql(kind, item, depth + 1)
    return value if made == item else f"list_transform({value}, lambda {item}: {made})"


def _map_sql(kind: DuckDBPyType, value: str, depth: int) -> str:
    key, content = _children(kind).values()
    item = f"x{depth}"
    made_key = carriable_sql(key, f"{item}.key", depth + 1)
    made_content = carriable_sql(content, f"{item}.value", depth + 1)
    entry = f"struct_pack(key := {made_key}, value := {made_content})"
    return f"list_transform(map_entries({value}), lambda {item}: {entry})"


def _struct_converter(fields: dict[str, Converter | None]) -> Converter | None:
    needed = {name: field for name, field in fields.items() if field is not None}
    if not needed:
        return None
    return lambda row: row and {**row, **{name: field(row[name]) for name, field in needed.items()}}


def _list_converter(item: Converter) -> Converter:
    return lambda items: items and [item(each) for each in items]


def _map_converter(key: Converter, value: Converter) -> Converter:
    return lambda entries: (
        entries and [[key(each["key"]), value(each["value"])] for each in entries]
    )


def _same(value: Any) -> Any:
    return value
