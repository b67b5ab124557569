"""Columns of keys and integers from DuckDB, by Arrow, as buffers where they can be."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

import nanoarrow

from mapreduce.columns.buffers import Field, PackedColumns, StateColumns
from mapreduce.columns.kinds import PACKED_INTEGERS, Kind, type_name

Columns = tuple[list[Any], list[Any]]
"""The keys and the values of some pairs, or the keys and their states."""


def state_columns_of(stream: Any, key_steps: str, layout: str) -> Iterator[StateColumns]:
    """Yield the columns of the fields of keys, and of numbers, of an Arrow stream.

    A list is two columns, of where the lists end and of all their numbers.

    Args:
        stream: has texts and 64-bit integers for the fields of keys, and then numbers of 64 or 128
            bits, or lists of 64-bit numbers.
        key_steps: says what the fields are.
        layout: says what the numbers are.
    """
    with nanoarrow.c_array_stream(stream) as batches:
        for batch in batches:
            view, count = batch.view(), batch.length
            fields = [step for step in key_steps if step not in "()"]
            yield StateColumns(
                key_steps,
                tuple(_field(view.child(at), step, count) for at, step in enumerate(fields)),
                layout,
                tuple(
                    buffer
                    for at in range(len(fields), view.n_children)
                    for buffer in _numbers(view.child(at), count)
                ),
                count,
                batch,
            )


def _numbers(column: Any, count: int) -> tuple[memoryview, ...]:
    if column.n_children:
        return _bytes_of(column.buffer(1), 4 * (count + 1)), _bytes_of(column.child(0).buffer(1))
    numbers = column.buffer(1)
    return (_bytes_of(numbers, numbers.element_size_bits // 8 * count),)


def _field(column: Any, step: str, count: int) -> Field:
    valid = _bytes_of(column.buffer(0)) if column.null_count else None
    if step == "t":
        return valid, _bytes_of(column.buffer(1), 4 * (count + 1)), _bytes_of(column.buffer(2))
    return valid, None, _bytes_of(column.buffer(1), 8 * count)


def are_packed(key: Kind, value: Kind) -> bool:
    """Return whether columns of these types have this form."""
    return type_name(key) in PACKED_INTEGERS | {"varchar"} and value.id in PACKED_INTEGERS


def packed_of(stream: Any, *, ones: bool) -> Iterator[PackedColumns | Columns]:
    """Yield the columns key and value of an Arrow stream, some rows at a time.

    Args:
        stream: has texts or 64-bit integers, and 64-bit integers. Rows among which is a NULL are
            yielded as lists.
        ones: put 1 in place of each value.
    """
    # released at the end: an open result stops the next query
    with nanoarrow.c_array_stream(stream) as batches:
        for batch in batches:
            yield _packed(batch, ones=ones) or _listed(batch)


def _listed(batch: Any) -> Columns:
    keys, values = (nanoarrow.Array(batch.child(at)).to_pylist() for at in (0, 1))
    return keys, values


def _packed(batch: Any, *, ones: bool) -> PackedColumns | None:
    view, count = batch.view(), batch.length
    key, value = view.child(0), view.child(1)
    if key.null_count or value.null_count or key.offset or value.offset:
        return None
    is_text = key.n_buffers == 3
    return PackedColumns(
        _bytes_of(key.buffer(1), 4 * (count + 1)) if is_text else None,
        _bytes_of(key.buffer(2)) if is_text else _bytes_of(key.buffer(1), 8 * count),
        _bytes_of(array("q", [1]) * count if ones else value.buffer(1), 8 * count),
        batch,
    )


def _bytes_of(buffer: Any, size: int | None = None) -> memoryview:
    return memoryview(buffer).cast("B")[:size]
