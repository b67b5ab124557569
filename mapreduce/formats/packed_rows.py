"""All columns of a batch of rows as buffers, from which the native extension makes rows.

The rows are those of the format's reader; where that cannot be said, Python must read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mapreduce.encoding import encode_value
from mapreduce.formats.base import RecordBatch
from mapreduce.formats.json_columns import COLUMN_NUMBERS, row_columns
from mapreduce.formats.named_rows import chosen
from mapreduce.formats.packed_column import PackedColumn
from mapreduce.formats.separated_columns import TextColumn, text_columns
from mapreduce.input_formats import Csv, JsonLines
from mapreduce.wire.messages import ByteRange

Buffers: TypeAlias = tuple[bytes, int, bytes, bytes, bytes]
"""The encoded name of a column, its type's number, and its bitmap, values and ends."""


@dataclass(frozen=True, slots=True)
class PackedRows:
    """Some rows.

    Attributes:
        names: of the columns, in the order of a row.
        columns: their buffers.
        length: the number of rows.
    """

    names: tuple[str, ...]
    columns: tuple[Buffers, ...]
    length: int


def packed_rows(batch: RecordBatch, byte_range: ByteRange) -> PackedRows | None:
    """Return the rows of a batch of CSV with names, or of JSON Lines with columns.

    Returns:
        None: Python must read the records of the batch.
    """
    form, data = byte_range.format, batch.data
    if data is None:
        return None
    found: tuple[int, Sequence[TextColumn | PackedColumn]] | None = None
    names: tuple[str, ...] = ()
    if isinstance(form, Csv) and form.header:
        header = byte_range.header or ()
        names = chosen(form, header)
        found = text_columns(form, data, batch.offset, header, names) if header else None
    elif isinstance(form, JsonLines) and form.columns:
        names = tuple(form.columns)
        found = row_columns(form, data, batch.offset)
    if found is None:
        return None
    length, columns = found
    try:
        packed = tuple(map(_buffers, names, columns))
    except ValueError:  # half a surrogate pair in a name
        return None
    return PackedRows(names, packed, length)


def _buffers(name: str, column: TextColumn | PackedColumn) -> Buffers:
    if isinstance(column, TextColumn):
        return encode_value(name), COLUMN_NUMBERS["str"], b"", column.data, column.ends
    number = COLUMN_NUMBERS[column.kind]
    return encode_value(name), number, column.valid, column.values, column.ends
