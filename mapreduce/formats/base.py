"""What a reader of a format must do: turn the byte range of a piece into batches of records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from mapreduce.errors import RecordError
from mapreduce.formats.undecoded import Undecoded
from mapreduce.wire.messages import Piece

ReadRange = Callable[[int, int], Iterator[bytes]]
"""The bytes [start, end) of one object, in blocks of any length."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some neighbouring records.

    Attributes:
        start: position in the piece's object of the first byte that the batch accounts for.
        length: how many bytes it accounts for. The batches of a piece lie side by side, and those of all pieces of an
            object account for each of its bytes once.
        records: (key, value) of each record, as `map` is given them.
        data: the bytes of the records, whole, when the format is one of lines; else None.
        offset: the byte offset of `data` in the input, or in what that unpacks to.
    """

    start: int
    length: int
    records: Iterator[tuple[Any, Any]]
    data: bytes | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that is not of its format, in the place of what it should be; only lenient readers give it.

    Attributes:
        data: its bytes.
        error: what is wrong with it.
    """

    data: bytes
    error: RecordError


class Reader(Protocol):
    """Reads pieces of one format."""

    @property
    def undecoded(self) -> Undecoded:
        """What was not UTF-8, so far; of a format that is no text, nothing."""

    def batches(self, piece: Piece, read: ReadRange) -> Iterator[Batch]:
        """The records whose first byte lies in the piece.

        Args:
            piece: the range, and what the split stage has found out of its object.
            read: reads a range of the piece's object.

        Raises:
            RecordError: a record is not of the format; with its place and its text.
        """
