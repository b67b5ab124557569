"""Rows of an Arrow stream as dicts, which the native extension makes.

They are equal to those of the same columns fetched as Python objects, which take several times as
long.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import nanoarrow

from mapreduce import native

_KINDS = frozenset("csilCSILfgbuz")
"""Arrow's formats of integers, floats, booleans, texts and bytes."""
_AT_ONCE = 1000
"""Rows whose dicts are made together: they stay in the processor's cache."""


class OtherTypes(Exception):
    """A column has another type than those that the extension knows."""


def rows_of(stream: Any, names: tuple[str, ...]) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of a stream as dicts, some at a time.

    Args:
        stream: an object with the Arrow PyCapsule interface, a column for each name.
        names: the keys of the dicts.

    Raises:
        OtherTypes: a column has another type; before the first row.
    """
    assert native.extension is not None, "rows are made without the extension in Python"
    # released at the end: an open result stops the next query
    with nanoarrow.c_array_stream(stream) as batches:
        for batch in batches:
            columns = tuple(_column(batch, at) for at in range(len(names)))
            for begin in range(0, batch.length, _AT_ONCE):
                end = min(begin + _AT_ONCE, batch.length)
                yield native.extension.records(names, columns, begin, end)


def _column(batch: Any, at: int) -> tuple[str, Any, Any, Any]:
    """Return the kind of a column, and its buffers: validity, values, ends."""
    kind, view = batch.schema.child(at).format, batch.view().child(at)
    if kind not in _KINDS or view.offset or batch.offset:
        raise OtherTypes
    buffers = [view.buffer(number) for number in range(view.n_buffers)]
    valid = buffers[0] if view.null_count else None
    if kind in "uz":
        return kind, valid, buffers[2], buffers[1]
    return kind, valid, buffers[1], None
