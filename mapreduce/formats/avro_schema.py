"""The values of Avro's binary encoding, by their schema (the writer's; none is resolved).

A record is a dict, an enum its symbol, an array a list, a map a dict, a union the value of its
branch. Logical types are Python's: dates, times, timestamps in UTC, local timestamps, decimals.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, TypeAlias

Decode: TypeAlias = Callable[[bytes, int], tuple[Any, int]]
"""Returns the value that begins at a position, and the position behind it.

Raises IndexError, ValueError, OverflowError or struct.error for bytes that are not of the schema.
"""
FAILURES = (IndexError, ValueError, OverflowError, RecursionError, struct.error)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FLOAT, _DOUBLE = struct.Struct("<f"), struct.Struct("<d")
_LONGEST_SHIFT = 63


class Decoders:
    """Builds the decoder of a schema; the named types in it may refer to one another."""

    def __init__(self) -> None:
        self._named: dict[str, Decode] = {}

    def of(self, schema: Any, space: str = "") -> Decode:
        """Return the decoder of a schema, as JSON holds it.

        Args:
            schema: the schema.
            space: the namespace that it stands in.

        Raises:
            ValueError: it is not a schema.
        """
        if isinstance(schema, list):
            return _union([self.of(branch, space) for branch in schema])
        if isinstance(schema, str):
            if schema in _PRIMITIVE:
                return _PRIMITIVE[schema]
            full = schema if "." in schema else f"{space}.{schema}"
            known = self._named.get(full) or self._named.get(f".{schema}")
            if known is None:
                raise ValueError(f"the schema names no type {schema!r}")
            return known
        kind = schema.get("type") if isinstance(schema, Mapping) else None
        if isinstance(kind, list | Mapping):
            return self.of(kind, space)
        if kind in ("record", "error", "enum", "fixed"):
            return self._name(schema, space)
        if kind == "array":
            return _array(self.of(schema["items"], space))
        if kind == "map":
            return _map(self.of(schema["values"], space))
        return _logical(schema, self.of(kind, space)) if isinstance(kind, str) else _refuse(schema)

    def _name(self, schema: Mapping[str, Any], space: str) -> Decode:
        name = str(schema["name"])
        space = name.rpartition(".")[0] or str(schema.get("namespace", space))
        full = f"{space}.{name.rpartition('.')[2]}"
        cell: list[Decode] = []
        # before its fields are read, which may hold the type itself
        self._named[full] = partial(_later, cell)
        if schema["type"] == "enum":
            cell.append(_enum(schema["symbols"]))
        elif schema["type"] == "fixed":
            cell.append(_logical(schema, _fixed(int(schema["size"]))))
        else:
            fields = [(each["name"], self.of(each["type"], space)) for each in schema["fields"]]
            cell.append(_record(fields))
        self._named[full] = cell[0]
        return cell[0]


def _later(cell: list[Decode], data: bytes, at: int) -> tuple[Any, int]:
    return cell[0](data, at)


def long_at(data: bytes, at: int) -> tuple[int, int]:
    """Return the integer at a position, and the position behind it."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at
        shift += 7
        if shift > _LONGEST_SHIFT:
            raise ValueError("an integer has more than 64 bits")


def bytes_at(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the bytes at a position, and the position behind them."""
    size, at = long_at(data, at)
    if size < 0 or at + size > len(data):
        raise ValueError(f"a value has {size} bytes, beyond the end of its block")
    return data[at : at + size], at + size


def _text(data: bytes, at: int) -> tuple[str, int]:
    raw, at = bytes_at(data, at)
    return raw.decode("utf-8"), at


def _boolean(data: bytes, at: int) -> tuple[bool, int]:
    if data[at] > 1:
        raise ValueError(f"a boolean is {data[at]}")
    return data[at] == 1, at + 1


_PRIMITIVE: dict[str, Decode] = {
    "null": lambda data, at: (None, at),
    "boolean": _boolean,
    "int": long_at,
    "long": long_at,
    "float": lambda data, at: (_FLOAT.unpack_from(data, at)[0], at + 4),
    "double": lambda data, at: (_DOUBLE.unpack_from(data, at)[0], at + 8),
    "bytes": bytes_at,
    "string": _text,
}


def _refuse(schema: Any) -> Decode:
    raise ValueError(f"it has no schema {str(schema)[:80]!r}")


def _fixed(size: int) -> Decode:
    def decode(data: bytes, at: int) -> tuple[bytes, int]:
        if at + size > len(data):
            raise ValueError(f"a value of {size} bytes goes beyond the end of its block")
        return data[at : at + size], at + size

    return decode


def _union(branches: list[Decode]) -> Decode:
    def decode(data: bytes, at: int) -> tuple[Any, int]:
        number, at = long_at(data, at)
        if not 0 <= number < len(branches):
            raise ValueError(f"a union has no branch {number}")
        return branches[number](data, at)

    return decode


def _enum(symbols: list[str]) -> Decode:
    def decode(data: bytes, at: int) -> tuple[str, int]:
        number, at = long_at(data, at)
        if not 0 <= number < len(symbols):
            raise ValueError(f"an enum has no symbol {number}")
        return symbols[number], at

    return decode


def _record(fields: list[tuple[str, Decode]]) -> Decode:
    def decode(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        made = {}
        for name, field in fields:
            made[name], at = field(data, at)
        return made, at

    return decode


def _array(item: Decode) -> Decode:
    def decode(data: bytes, at: int) -> tuple[list[Any], int]:
        made: list[Any] = []
        while True:
            count, at = _count(data, at)
            if not count:
                return made, at
            for _ in range(count):
                value, at = item(data, at)
                made.append(value)

    return decode


def _map(item: Decode) -> Decode:
    def decode(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        made: dict[str, Any] = {}
        while True:
            count, at = _count(data, at)
            if not count:
                return made, at
            for _ in range(count):
                name, at = _text(data, at)
                made[name], at = item(data, at)

    return decode


def _count(data: bytes, at: int) -> tuple[int, int]:
    """Return how many items follow; after a negative number come their bytes, to skip them."""
    count, at = long_at(data, at)
    if count < 0:
        _, at = long_at(data, at)
    if abs(count) > len(data):
        raise ValueError(f"an array of {count} items goes beyond the end of its block")
    return abs(count), at


def _logical(schema: Mapping[str, Any], decode: Decode) -> Decode:
    """Return the decoder of a logical type; that of its own type, where it is not known."""
    kind = schema.get("logicalType")
    make: Callable[[Any], Any] | None = _LOGICAL.get(str(kind))
    if kind == "decimal":
        scale = int(schema.get("scale", 0))

        def make(raw: bytes) -> Decimal:
            number = int.from_bytes(raw, "big", signed=True)
            return Decimal((number < 0, tuple(map(int, str(abs(number)))), -scale))

    if make is None:
        return decode
    convert = make

    def logical(data: bytes, at: int) -> tuple[Any, int]:
        value, at = decode(data, at)
        return convert(value), at

    return logical


def _moment(unit: str) -> Callable[[int], datetime]:
    return lambda count: _EPOCH + timedelta(**{unit: count})


_LOGICAL: dict[str, Callable[[Any], Any]] = {
    "date": lambda days: date.fromordinal(_EPOCH.toordinal() + days),
    "time-millis": lambda count: _moment("milliseconds")(count).time(),
    "time-micros": lambda count: _moment("microseconds")(count).time(),
    "timestamp-millis": _moment("milliseconds"),
    "timestamp-micros": _moment("microseconds"),
    "local-timestamp-millis": lambda n: _moment("milliseconds")(n).replace(tzinfo=None),
    "local-timestamp-micros": lambda n: _moment("microseconds")(n).replace(tzinfo=None),
}
