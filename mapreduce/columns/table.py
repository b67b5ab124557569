"""Records as columns, which DuckDB and Arrow libraries read without a copy of each value."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, cast

import nanoarrow
from nanoarrow.c_array_stream import CArrayStream

from mapreduce.errors import UserCodeError
from mapreduce.formats.packed_column import PackedColumn
from mapreduce.formats.separated_columns import TextColumn
from mapreduce.input_formats import ColumnKind

_SCHEMAS: dict[ColumnKind, Any] = {
    "str": nanoarrow.large_string(),
    "int": nanoarrow.int64(),
    "float": nanoarrow.float64(),
    "bool": nanoarrow.bool_(),
    "object": nanoarrow.large_string(),
}
_PACKED = nanoarrow.string()

_OF_PACKED = {**_SCHEMAS, "str": _PACKED}

Column = Sequence[Any] | TextColumn | PackedColumn


class Table:
    """Columns of records, of one length.

    Other libraries read it through the Arrow PyCapsule interface.
    """

    def __init__(self, columns: Mapping[str, tuple[ColumnKind, Column]], length: int) -> None:
        self.names = tuple(columns)
        self._columns = dict(columns)
        self._length = length
        schemas, children = {}, []
        for name, (kind, values) in columns.items():
            packed = isinstance(values, TextColumn | PackedColumn)
            schemas[name] = (_OF_PACKED if packed else _SCHEMAS)[kind]
            children.append(_array(values, schemas[name]))
        self._schema = nanoarrow.c_schema(nanoarrow.struct(schemas))
        self._rows = nanoarrow.c_array_from_buffers(self._schema, length, [None], children=children)

    def __len__(self) -> int:
        return self._length

    def column(self, name: str) -> list[Any]:
        """Return the values of a column; raises `KeyError` if there is none of that name."""
        values = self._columns[name][1]
        if isinstance(values, PackedColumn):
            return values.listed()
        return values.texts() if isinstance(values, TextColumn) else list(values)

    def __arrow_c_schema__(self) -> object:
        return cast("object", self._schema.__arrow_c_schema__())

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        stream = CArrayStream.from_c_arrays([self._rows], self._schema, validate=False)
        return cast("object", stream.__arrow_c_stream__())


class Returned:
    """The columns key and value that `map_arrow` returned as Arrow data.

    A stream can be read once, and a query over it reads it several times, so its batches are kept.

    Args:
        given: has the Arrow PyCapsule interface.

    Raises:
        UserCodeError: it has no such columns.
    """

    def __init__(self, given: Any) -> None:
        with nanoarrow.c_array_stream(given) as stream:
            self._schema = stream.get_schema()
            self._batches = list(stream)
        names = [child.name or "" for child in self._schema.children]
        lower = [name.lower() for name in names]
        if lower.count("key") != 1 or lower.count("value") != 1:
            raise UserCodeError(
                f"map_arrow returned a table with the columns {', '.join(names) or '(none)'}; name "
                "two of them key and value"
            )

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        stream = CArrayStream.from_c_arrays(self._batches, self._schema, validate=False)
        return cast("object", stream.__arrow_c_stream__())


def is_arrow(returned: object) -> bool:
    """Return whether an object has the Arrow PyCapsule interface."""
    return hasattr(returned, "__arrow_c_stream__") or hasattr(returned, "__arrow_c_array__")


def _array(values: Column, schema: Any) -> Any:
    if isinstance(values, TextColumn):
        return nanoarrow.c_array_from_buffers(schema, len(values), [None, values.ends, values.data])
    if isinstance(values, PackedColumn):
        return nanoarrow.c_array_from_buffers(
            schema, len(values), values.buffers, null_count=values.nulls
        )
    if schema is _SCHEMAS["int"] or schema is _SCHEMAS["float"]:
        try:
            numbers = array("q" if schema is _SCHEMAS["int"] else "d", values)
        except TypeError:  # None is among them
            return nanoarrow.c_array(values, schema)
        return nanoarrow.c_array_from_buffers(schema, len(numbers), [None, numbers])
    return nanoarrow.c_array(values, schema)
