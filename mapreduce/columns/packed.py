"""Columns of keys and integers from DuckDB, by Arrow, as buffers where they can be."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

import nanoarrow

from mapreduce.columns.buffers import PackedColumns
from mapreduce.columns.kinds import INTEGERS, Kind, converter_of

Columns = tuple[list[Any], list[Any]]
"""The keys and the values of some pairs, or the keys and their states."""

PACKED_INTEGERS = INTEGERS - {"ubigint"}
"""Types whose values fit 64 bits with a sign."""


def are_packed(key: Kind, value: Kind) -> bool:
    """Return whether columns of these types have this form."""
    plain = converter_of(key) is None and converter_of(value) is None
    return plain and key.id in PACKED_INTEGERS | {"varchar"} and value.id in PACKED_INTEGERS


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
