"""Write a table as an Arrow IPC stream (`.arrows`), which needs nanoarrow and not pyarrow.

The stream, and not the file format `.arrow`: nanoarrow writes only streams.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from nanoarrow.ipc import StreamWriter

from mapreduce.formats.typed_rows import Batch, Rows, Typed, batches_of


def write_arrow_stream(
    rows: Rows, names: Sequence[str], typed: Typed | None = None
) -> Iterator[bytes]:
    """Yield the bytes of a table.

    Args:
        rows: of the table; called twice without `typed`.
        names: of the columns.
        typed: the columns, where they are known.
    """
    typed = typed or Typed.of(rows(), names)
    into = io.BytesIO()
    with StreamWriter.from_writable(into) as writer:
        # the schema stands first, also without a row
        writer.write_stream(Batch(typed).arrow())
        for batch in batches_of(rows(), typed):
            writer.write_stream(batch.arrow())
            yield _taken(into)
    yield into.getvalue()


def _taken(into: io.BytesIO) -> bytes:
    data = into.getvalue()
    into.seek(0)
    into.truncate()
    return data
