"""The protocol of a format's reader: from a byte range to batches of records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mapreduce.errors import RecordError
from mapreduce.formats.undecoded import Undecoded
from mapreduce.wire.messages import ByteRange

if TYPE_CHECKING:
    from mapreduce.formats.parquet_columns import GroupColumns

ReadRange = Callable[[int, int], Iterator[bytes]]
"""Reads the bytes [start, end) of one object, in blocks of any length."""


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Some neighbouring records.

    Attributes:
        start: position in the object of the first byte that the batch accounts for.
        length: how many bytes it accounts for. The batches of a byte range lie side by side, and
            those of all byte ranges of an object account for each of its bytes once.
        records: (key, value) of each record, the arguments of `map`.
        data: the bytes of the records, whole, if the format consists of lines; else None.
        offset: the byte offset of `data` in the input, or in its unpacked bytes.
        columns: the same records as columns, if the format stores them so; else None.
    """

    start: int
    length: int
    records: Iterator[tuple[Any, Any]]
    data: bytes | None = None
    offset: int = 0
    columns: GroupColumns | None = None


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record of a wrong format, in place of its value; only lenient readers yield it.

    Attributes:
        data: its bytes.
        error: what is wrong with it.
    """

    data: bytes
    error: RecordError


class Reader(Protocol):
    """Reads byte ranges of one format."""

    @property
    def undecoded(self) -> Undecoded:
        """The bytes so far that are not UTF-8; none for a format that is not text."""

    def batches(self, byte_range: ByteRange, read: ReadRange) -> Iterator[RecordBatch]:
        """Yield the records whose first byte lies in the byte range.

        Args:
            byte_range: the range, with what the split stage has found out about its object.
            read: reads a range of the object.

        Raises:
            RecordError: a record does not have the format; names its place and its text.
        """
