"""The type of a result's column, which follows from all of its values.

`_SCALARS` is the one table of Python types and column types. Values of several types have the type
that holds all of them unchanged; without one, and for what has no type here, a column holds the
values as JSON texts. None fits every type.
"""

from __future__ import annotations

import base64
import datetime
import decimal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal[
    "varchar",
    "json",
    "bigint",
    "double",
    "boolean",
    "blob",
    "date",
    "timestamp",
    "timestamptz",
    "time",
    "decimal",
    "list",
    "struct",
]
Converter: TypeAlias = Callable[[Any], Any]

MOST_FIELDS = 100
"""Names of a dict, or fields of a list, that become a STRUCT; more are JSON text."""
MOST_DEPTH = 8
"""Lists and dicts inside each other that have a type; deeper values are JSON text."""
EXACT_AS_FLOAT = 1 << 53
MOST_DIGITS = 38
"""Digits of a DECIMAL."""

_NONE = type(None)
_SCALARS: dict[type, Kind] = {
    str: "varchar",
    int: "bigint",
    float: "double",
    bool: "boolean",
    bytes: "blob",
    datetime.date: "date",
    datetime.datetime: "timestamp",
    datetime.time: "time",
    decimal.Decimal: "decimal",
}
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class ColumnType:
    """The type of a column, or of a value inside a list or a dict.

    Attributes:
        kind: its name; "json" is a VARCHAR of JSON texts.
        fields: of a STRUCT, by name; of a LIST, one without a name.
        by_position: a STRUCT of lists, whose fields are called _1, _2 and so on.
        digits: of a DECIMAL, all of them and those behind the point.
    """

    kind: Kind
    fields: tuple[tuple[str, ColumnType], ...] = ()
    by_position: bool = False
    digits: tuple[int, int] = (0, 0)

    @property
    def sql(self) -> str:
        """The name of the type in SQL."""
        if self.kind == "list":
            return f"{self.fields[0][1].sql}[]"
        if self.kind == "struct":
            fields = ", ".join(f"{quoted_name(name)} {each.sql}" for name, each in self.fields)
            return f"STRUCT({fields})"
        if self.kind == "decimal":
            return f"DECIMAL({self.digits[0]}, {self.digits[1]})"
        return {"json": "VARCHAR", "timestamptz": "TIMESTAMPTZ"}.get(self.kind, self.kind.upper())


@dataclass(slots=True)
class Profile:
    """The types, ranges and parts of the values that a column has so far."""

    depth: int = 0
    kinds: set[type] = field(default_factory=set)
    largest: int = 0
    zones: set[bool] = field(default_factory=set)
    before_point: int = 0
    behind_point: int = 0
    lengths: set[int] = field(default_factory=set)
    items: Profile | None = None
    fields: dict[str, Profile] = field(default_factory=dict)
    fits: bool = True

    def add(self, value: Any) -> None:
        """Record a value."""
        kind = type(value)
        self.kinds.add(kind)
        if kind is str:
            return
        if kind is int:
            # ~value: the range of 64 bits has one more negative number
            self.largest = max(self.largest, value if value >= 0 else ~value)
        elif kind in (list, tuple):
            self._add_list(value)
        elif kind is dict:
            self._add_fields(value)
        elif kind is datetime.datetime or kind is datetime.time:
            self.zones.add(value.tzinfo is not None)
        elif kind is decimal.Decimal:
            self._add_decimal(value)

    def _add_list(self, value: Any) -> None:
        if self.depth >= MOST_DEPTH:
            self.fits = False
            return
        if self.items is None:
            self.items = Profile(self.depth + 1)
        for item in value:
            self.items.add(item)
        self.fits = self.fits and self.items.fits
        if len(self.lengths) < 2:
            self.lengths.add(len(value))
        if len(self.lengths) == 1 and len(value) <= MOST_FIELDS:
            self._add_fields({f"_{number}": item for number, item in enumerate(value, 1)})

    def _add_fields(self, value: dict[str, Any]) -> None:
        if not self.fits:
            return
        for name, item in value.items():
            if name not in self.fields:
                if len(self.fields) >= MOST_FIELDS or self.depth >= MOST_DEPTH:
                    self.fits = False
                    return
                self.fields[name] = Profile(self.depth + 1)
            self.fields[name].add(item)

    def _add_decimal(self, value: decimal.Decimal) -> None:
        if not value.is_finite():
            self.fits = False
            return
        _, digits, exponent = value.as_tuple()
        assert isinstance(exponent, int), "a finite number has an exponent"
        self.behind_point = max(self.behind_point, -exponent)
        self.before_point = max(self.before_point, len(digits) + exponent)

    @property
    def type(self) -> ColumnType:
        """The type that holds all values unchanged, or that of JSON texts."""
        kinds = self.kinds - {_NONE}
        if not kinds:
            return ColumnType("varchar")
        if kinds <= {list, tuple}:
            return self._list()
        if kinds == {dict}:
            return self._struct() or _JSON
        if kinds == {int, float}:
            return ColumnType("double") if self.largest < EXACT_AS_FLOAT else _JSON
        if decimal.Decimal in kinds and kinds <= {decimal.Decimal, int}:
            return self._decimal()
        if len(kinds) > 1 or (kinds == {int} and self.largest >= 1 << 63):
            return _JSON
        kind = _SCALARS.get(next(iter(kinds)), "json")
        if kind == "timestamp" and True in self.zones:
            return _JSON if False in self.zones else ColumnType("timestamptz")
        if kind == "time" and True in self.zones:
            return _JSON
        return ColumnType(kind)

    def _list(self) -> ColumnType:
        item = self.items.type if self.items else _JSON
        if item.kind != "json":
            return ColumnType("list", (("", item),))
        if len(self.lengths) == 1 and (found := self._struct()):
            return ColumnType("struct", found.fields, by_position=True)
        return _JSON

    def _struct(self) -> ColumnType | None:
        names = {name.lower() for name in self.fields}
        # SQL does not tell A from a, and has no empty name
        if not self.fits or not names or "" in names or len(names) < len(self.fields):
            return None
        if any("\x00" in name for name in names):
            return None
        return ColumnType("struct", tuple((name, each.type) for name, each in self.fields.items()))

    def _decimal(self) -> ColumnType:
        # one more: `largest` of a negative number is one less than its digits say
        before, behind = max(self.before_point, len(str(self.largest + 1))), self.behind_point
        if not self.fits or before + behind > MOST_DIGITS:
            return _JSON
        return ColumnType("decimal", digits=(max(before + behind, 1), behind))


_JSON = ColumnType("json")


def quoted_name(name: str) -> str:
    """Return a name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def json_text(value: Any) -> str | None:
    """Return a value as JSON text; None for None."""
    return None if value is None else _encode(_plain(value)).decode()


def _plain(value: Any) -> Any:
    """Return a value with its bytes as the parts of a result hold them."""
    kind = type(value)
    if kind is bytes:
        return {"base64": base64.b64encode(value).decode()}
    if kind is dict:
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if kind in (list, tuple) else value
