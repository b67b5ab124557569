"""Build Arrow arrays from Python values, nested ones too, with nanoarrow and without pyarrow."""

from __future__ import annotations

import datetime
import decimal
from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Any, cast

import nanoarrow
from nanoarrow.c_array_stream import CArrayStream

from mapreduce.formats.column_types import ColumnType, json_text

_EPOCH = datetime.date(1970, 1, 1).toordinal()
_MIDNIGHT = datetime.datetime(1970, 1, 1)
_UTC = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)

_PLAIN: dict[str, Any] = {
    "varchar": nanoarrow.large_string(),
    "json": nanoarrow.large_string(),
    "bigint": nanoarrow.int64(),
    "double": nanoarrow.float64(),
    "boolean": nanoarrow.bool_(),
    "blob": nanoarrow.large_binary(),
    "date": nanoarrow.date32(),
    "timestamp": nanoarrow.timestamp("us"),
    "timestamptz": nanoarrow.timestamp("us", timezone="UTC"),
    "time": nanoarrow.time64("us"),
}
_INTEGERS: dict[str, tuple[str, Callable[[Any], int]]] = {
    "date": ("i", lambda value: value.toordinal() - _EPOCH),
    "timestamp": ("q", lambda value: (value - _MIDNIGHT) // _MICROSECOND),
    "timestamptz": ("q", lambda value: (value - _UTC) // _MICROSECOND),
    "time": (
        "q",
        lambda value: (datetime.datetime.combine(_MIDNIGHT, value) - _MIDNIGHT) // _MICROSECOND,
    ),
}
"""Types that are stored as integers: the array's type code, and the number of a value."""
_DECIMAL_BYTES = 16
_EXACT = decimal.Context(prec=100)


class ArrowRows:
    """Rows that other libraries read through the Arrow PyCapsule interface.

    Args:
        names: of the columns.
        types: of the columns.
        columns: the values of each column.
        length: the number of rows.
    """

    def __init__(
        self,
        names: Sequence[str],
        types: Sequence[ColumnType],
        columns: Sequence[Sequence[Any]],
        length: int,
    ) -> None:
        kinds = {name: schema_of(kind) for name, kind in zip(names, types, strict=True)}
        children = [array_of(values, kind) for values, kind in zip(columns, types, strict=True)]
        self._schema = nanoarrow.c_schema(nanoarrow.struct(kinds))
        self._rows = nanoarrow.c_array_from_buffers(self._schema, length, [None], children=children)

    def __arrow_c_schema__(self) -> object:
        return cast("object", self._schema.__arrow_c_schema__())

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        stream = CArrayStream.from_c_arrays([self._rows], self._schema, validate=False)
        return cast("object", stream.__arrow_c_stream__())


def schema_of(kind: ColumnType) -> Any:
    """Return the Arrow type of a column."""
    if kind.kind == "list":
        return nanoarrow.list_(schema_of(kind.fields[0][1]))
    if kind.kind == "struct":
        return nanoarrow.struct({name: schema_of(each) for name, each in kind.fields})
    if kind.kind == "decimal":
        return nanoarrow.decimal128(*kind.digits)
    return _PLAIN[kind.kind]


def array_of(values: Sequence[Any], kind: ColumnType) -> Any:
    """Return values of one type, or None, as an Arrow array."""
    schema, length = schema_of(kind), len(values)
    if kind.kind == "json":
        return nanoarrow.c_array([json_text(value) for value in values], schema)
    if kind.kind == "list":
        item = kind.fields[0][1]
        ends = array("i", accumulate((len(value or ()) for value in values), initial=0))
        items = array_of([each for value in values for each in value or ()], item)
        return nanoarrow.c_array_from_buffers(
            schema, length, [_validity(values), ends], children=[items]
        )
    if kind.kind == "struct":
        return _struct(values, kind)
    if kind.kind == "decimal":
        data = b"".join(_scaled(value, kind.digits[1]) for value in values)
        return nanoarrow.c_array_from_buffers(schema, length, [_validity(values), data])
    if stored := _INTEGERS.get(kind.kind):
        code, number = stored
        numbers = array(code, (0 if value is None else number(value) for value in values))
        return nanoarrow.c_array_from_buffers(schema, length, [_validity(values), numbers])
    return nanoarrow.c_array(values, schema)


def _struct(values: Sequence[Any], kind: ColumnType) -> Any:
    children = []
    for place, (name, each) in enumerate(kind.fields):
        if kind.by_position:
            cells = [None if value is None else value[place] for value in values]
        else:
            cells = [None if value is None else value.get(name) for value in values]
        children.append(array_of(cells, each))
    return nanoarrow.c_array_from_buffers(
        schema_of(kind), len(values), [_validity(values)], children=children
    )


def _validity(values: Iterable[Any]) -> bytes | None:
    """Return the bitmap of the values that are not None; None if all are."""
    bits = [value is not None for value in values]
    if all(bits):
        return None
    return bytes(
        sum(bit << place for place, bit in enumerate(bits[at : at + 8]))
        for at in range(0, len(bits), 8)
    )


def _scaled(value: decimal.Decimal | int | None, behind_point: int) -> bytes:
    """Return a decimal number as Arrow stores it: an integer without the point."""
    number = 0 if value is None else int(decimal.Decimal(value).scaleb(behind_point, _EXACT))
    return number.to_bytes(_DECIMAL_BYTES, "little", signed=True)
