"""Files in an author's own format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mapreduce.errors import RecordError
from mapreduce.formats.base import ReadRange, RecordBatch
from mapreduce.formats.limits import LIMITS, Limits
from mapreduce.formats.streams import seekable_stream, whole_stream
from mapreduce.formats.undecoded import Undecoded
from mapreduce.input_formats import InputFormat, can_be_cut
from mapreduce.wire.messages import ByteRange


class OwnReader:
    """Records of an author's format. Arguments and errors are those of the `Reader` protocol.

    Args:
        form: the format.
        limits: the memory that decompression may take.
    """

    undecoded = Undecoded()

    def __init__(self, form: InputFormat, limits: Limits = LIMITS) -> None:
        self._form = form
        self._limits = limits

    def batches(self, byte_range: ByteRange, read: ReadRange) -> Iterator[RecordBatch]:
        """Yield one batch; its records are read as they are mapped, in calls of the author's."""
        yield RecordBatch(
            byte_range.start, byte_range.length, self._records(byte_range, read), None
        )

    def _records(self, byte_range: ByteRange, read: ReadRange) -> Iterator[tuple[Any, Any]]:
        if byte_range.compression is None and can_be_cut(self._form):
            stream = seekable_stream(byte_range.size, read)
            found = self._form.read_range(stream, byte_range.start, byte_range.end)
        else:
            found = self._form.read(whole_stream(byte_range, read, self._limits))
        return records_of(self._form, found, byte_range.source)


def records_of(
    form: InputFormat, found: Iterable[Any], source: str = ""
) -> Iterator[tuple[Any, Any]]:
    """Yield the records that a format has found.

    Raises:
        RecordError: one is not a key and a value.
    """
    name = type(form).__name__
    if not isinstance(found, Iterable):
        raise RecordError(
            f"{name} returned {found!r} instead of records; write `yield key, value`", place=source
        )
    for record in found:
        if not isinstance(record, tuple | list) or len(record) != 2:
            raise RecordError(
                f"{name} yielded {repr(record)[:80]}, which is not a record; "
                "write `yield key, value`",
                place=source,
            )
        yield record[0], record[1]
