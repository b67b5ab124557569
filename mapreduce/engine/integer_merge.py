"""Group pairs with 64-bit integer values in DuckDB, for `Sum`, `Count`, `Min` and `Max`.

Used without the native extension. The number of pairs and keys is not limited: DuckDB spills to
scratch disk beyond its memory limit.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import accumulate, chain, islice
from pathlib import Path
from typing import Any, cast

import duckdb
import nanoarrow
from nanoarrow.c_array_stream import CArrayStream

from mapreduce.aggregate import SqlAggregate
from mapreduce.formats.frames import Frame

_FRAMES_PER_BATCH = 64
_FETCH = 10_000
_ROW = nanoarrow.struct({"key": nanoarrow.binary(), "value": nanoarrow.int64()})
_SCHEMA = nanoarrow.c_schema(_ROW)


def merged_integers(
    frames: Iterator[Frame],
    aggregate: SqlAggregate,
    *,
    memory_bytes: int,
    threads: int,
    scratch: Path,
) -> Iterator[tuple[bytes, int]]:
    """Yield one (key, exact total, least or greatest value) for each key, in key order.

    Args:
        frames: of INTEGERS kind, in any order.
        aggregate: the SQL aggregate over a key's values; a sum is exact beyond 64 bits too.
        memory_bytes: DuckDB's memory limit.
        threads: DuckDB's threads.
        scratch: the folder of its spill files.
    """
    config: dict[str, Any] = {
        "memory_limit": f"{max(memory_bytes >> 20, 64)}MiB",
        "threads": threads,
        "temp_directory": str(scratch / "duckdb"),
        "preserve_insertion_order": False,
    }
    with duckdb.connect(str(scratch / "pairs.duckdb"), config=config) as connection:
        connection.execute("CREATE TABLE pairs (key BLOB, value BIGINT)")
        for batch in _batches(frames, _FRAMES_PER_BATCH):
            source = _ArrowBatch(batch)
            connection.register("batch", source)
            connection.execute("INSERT INTO pairs SELECT * FROM batch")
            connection.unregister("batch")
        # the casts keep a sum exact: HUGEINT comes back as a Python int
        rows = connection.execute(
            f"SELECT key, {aggregate}(value) FROM pairs GROUP BY key ORDER BY key"
        )
        while found := rows.fetchmany(_FETCH):
            yield from found


class _ArrowBatch:
    """Some frames as one Arrow stream, through the PyCapsule interface, without pyarrow."""

    def __init__(self, frames: tuple[Frame, ...]) -> None:
        keys = [key for frame in frames for key in frame.keys]
        offsets = array("i", accumulate(map(len, keys), initial=0))
        values = array(
            "q", chain.from_iterable(cast("list[int]", frame.values) for frame in frames)
        )
        columns = [
            nanoarrow.c_array_from_buffers(
                nanoarrow.binary(), len(keys), [None, offsets, b"".join(keys)]
            ),
            nanoarrow.c_array_from_buffers(nanoarrow.int64(), len(keys), [None, values]),
        ]
        self._rows = nanoarrow.c_array_from_buffers(_ROW, len(keys), [None], children=columns)

    def __arrow_c_schema__(self) -> object:
        return _SCHEMA.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return CArrayStream.from_c_arrays(
            [self._rows], _SCHEMA, validate=False
        ).__arrow_c_stream__()


def _batches(frames: Iterator[Frame], size: int) -> Iterator[tuple[Frame, ...]]:
    while batch := tuple(islice(frames, size)):
        yield batch
