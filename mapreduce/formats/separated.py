"""Separated values (CSV) as RFC 4180 has them: from pieces to rows, exactly, or with an error that names the row.

A row ends with a line feed, which may have a carriage return before it. A piece can be read alone once the split stage
has `marked` it. What the rules do not allow is never guessed at: a quote in a field without quotes, text behind a
closing quote, a quote that is never closed, a carriage return alone, more or fewer fields than the header names.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, repeat
from typing import TypeAlias

from mapreduce.errors import RecordError, TextPlace
from mapreduce.formats.base import BadRecord, Batch, ReadRange
from mapreduce.formats.limits import LIMITS, Limits
from mapreduce.formats.quoted_rows import RowRange, owned_rows, quotes_before, row_at
from mapreduce.formats.text import BOM, TAIL_BYTES
from mapreduce.formats.undecoded import Undecoded
from mapreduce.formats.unpacked import unpacked_text
from mapreduce.input_formats import Csv
from mapreduce.wire.messages import Piece

Row: TypeAlias = "dict[str, str] | list[str] | BadRecord"

_RECORD_SHOWN = 200


def marked(pieces: Sequence[Piece], read: ReadRange, limits: Limits = LIMITS) -> list[Piece]:
    """The pieces with what they need to know of their object: its header, and whether they begin inside of quotes.

    Args:
        pieces: all of one object with format `Csv`, in the order in which they lie in it.
        read: reads a range of the object.
        limits: how long the header may be.

    Raises:
        RecordError: the header is broken or too long, or names a column twice or not at all.
    """
    header = _header(pieces[0], read, limits) if pieces and _form(pieces[0]).header else None
    starts = [piece.start for piece in pieces]
    return [
        piece.model_copy(update={"header": header, "quoted": quoted})
        for piece, quoted in zip(pieces, quotes_before(starts, read), strict=True)
    ]


class CsvReader:
    """Rows of separated values. Arguments and errors are those of the `Reader` protocol.

    Args:
        form: the delimiter, and whether the object's first row names the columns.
        limits: how long a row may be.
        lenient: give a row of another width than the header as a `BadRecord`, in the place of its fields.
    """

    def __init__(self, form: Csv, limits: Limits = LIMITS, *, lenient: bool = False) -> None:
        self._form = form
        self._limits = limits
        self._lenient = lenient
        self._parser = _Parser(form.delimiter)

    @property
    def undecoded(self) -> Undecoded:
        """What was not UTF-8, so far."""
        return self._parser.undecoded

    def batches(self, piece: Piece, read: ReadRange) -> Iterator[Batch]:
        """Batches of rows.

        Raises:
            ValueError: the piece should have a header, but was not marked.
        """
        if self._form.header and piece.header is None:
            raise ValueError(
                f"the piece of {piece.source} at {piece.start} has no header; mark it when it is planned"
            )
        accounted = 0
        for position, data in _blocks(piece, read, self._limits):
            start, length = position, len(data)
            if piece.compression is not None:  # its first batch accounts for all of its bytes
                start, length, accounted = accounted, piece.size - accounted, piece.size
            yield Batch(
                start,
                length,
                self._rows(piece, position, data),
                data,
                position + piece.source_offset,
            )
        if piece.compression is not None and not accounted:  # it unpacks to nothing
            yield Batch(0, piece.size, iter(()), b"")

    def _rows(self, piece: Piece, position: int, data: bytes) -> Iterator[tuple[int, Row]]:
        block = _Block(data, position + piece.source_offset, piece.source)
        return self._named(block, piece.header or ()) if self._form.header else self._listed(block)

    def _listed(self, block: _Block) -> Iterator[tuple[int, Row]]:
        for at, row in self._parser.rows(block):
            if row:
                yield at, row

    def _named(self, block: _Block, header: tuple[str, ...]) -> Iterator[tuple[int, Row]]:
        width = len(header)
        for at, row in self._parser.rows(block):
            if len(row) == width and at:
                yield at, dict(zip(header, row))  # noqa: B905 - the lengths are equal, and this is the hottest line
            elif len(row) != width and row:
                error = block.error(
                    f"a row has {len(row)} fields, but the header names {width}", at
                )
                if not self._lenient:
                    raise error
                yield at, BadRecord(block.row_at(at), error)


def _form(piece: Piece) -> Csv:
    if not isinstance(piece.format, Csv):
        raise TypeError(f"{piece.source} is not CSV but {piece.format.kind}")
    return piece.format


def _blocks(piece: Piece, read: ReadRange, limits: Limits) -> Iterator[tuple[int, bytes]]:
    """The rows whose first byte lies in the piece, unpacked if its object is compressed; as `owned_rows` yields."""
    if piece.compression is None:
        part = RowRange(piece.start, piece.end, piece.size, piece.quoted)
        return owned_rows(read, part, piece.source, piece.source_offset, limits)
    unpacked = unpacked_text(read(0, piece.size), piece.compression, piece.source, limits)
    return owned_rows(lambda _start, _end: unpacked, RowRange(0, 1, 1), piece.source, limits=limits)


def _header(piece: Piece, read: ReadRange, limits: Limits) -> tuple[str, ...]:
    """The names in the object's first row; none when the object holds no byte."""
    start_only = piece.model_copy(
        update={"start": 0, "end": min(piece.size, TAIL_BYTES), "quoted": False}
    )
    rows = next((rows for _, rows in _blocks(start_only, read, limits)), b"")
    if not rows:
        return ()
    block = _Block(row_at(rows, 0), 0, piece.source)
    names = next((row for _, row in _Parser(_form(piece).delimiter).rows(block)), [])
    if not all(names) or not names:
        raise block.error(
            "the header, which is the file's first row, has a column without a name", 0
        )
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise block.error(f"the header names {', '.join(map(repr, twice))} twice", 0)
    return tuple(names)


@dataclass(frozen=True, slots=True)
class _Block:
    """Whole rows of one source, and the offset of the first."""

    data: bytes
    offset: int
    source: str

    def row_at(self, offset: int) -> bytes:
        """The row that begins at an offset."""
        return row_at(self.data, offset - self.offset)

    def error(self, cause: str, offset: int) -> RecordError:
        """An error of the row at an offset."""
        shown = self.row_at(offset)[:_RECORD_SHOWN].decode("utf-8", "replace")
        return RecordError(
            f"{cause}. A field with a quote, a delimiter or a line end in it must stand in quotes, its quotes doubled "
            '(RFC 4180). Mend the file, or read it with another Csv(delimiter="...") or as Text()',
            place=TextPlace(self.source, offset),
            record=repr(shown)[:_RECORD_SHOWN],
        )


class _Parser:
    """Turns blocks of whole rows into lists of fields, and counts what was not UTF-8."""

    def __init__(self, delimiter: str) -> None:
        # the standard library's limit of 128 KiB a field is one for the whole process
        csv.field_size_limit(sys.maxsize)
        self._delimiter = delimiter
        field = rf'(?:"[^"]*+(?:""[^"]*+)*+"|[^"\r\n{re.escape(delimiter)}]*+)'
        row = rf"{field}(?:{re.escape(delimiter)}{field})*+"
        self._row = re.compile(row)
        self._rows = re.compile(rf"(?:{row}\r?+\n)*+(?:{row}\r?+)?+")
        self.undecoded = Undecoded()

    def rows(self, block: _Block) -> Iterator[tuple[int, list[str]]]:
        """The (offset, fields) of each row; an empty one has no field, or is left out.

        Raises:
            RecordError: a row breaks the rules of RFC 4180.
        """
        text = self._text(block)
        if '"' in text or text.count("\r") != text.count("\r\n"):
            return self._quoted(block, text)
        return self._plain(block, text)

    def _text(self, block: _Block) -> str:
        try:
            text = block.data.decode("utf-8")
        except UnicodeDecodeError:
            text = block.data.decode("utf-8", "replace")
            self.undecoded.whole_lines(block.data, block.offset)
        return text.removeprefix(BOM.decode()) if block.offset == 0 else text

    def _plain(self, block: _Block, text: str) -> Iterator[tuple[int, list[str]]]:
        """Rows without a quote: the fast road."""
        lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
        rows = map(str.split, lines, repeat(self._delimiter))
        records = zip(_line_offsets(block), rows, strict=False)
        return records if all(lines) else ((at, row) for at, row in records if row != [""])

    def _quoted(self, block: _Block, text: str) -> Iterator[tuple[int, list[str]]]:
        if not self._rows.fullmatch(text):
            raise self._first_error(block)
        offsets = array("Q", _line_offsets(block))  # a list would need five times as much
        # newline: lines end with a line feed only, and keep what they end with
        rows = csv.reader(io.StringIO(text, newline="\n"), delimiter=self._delimiter, strict=True)
        # zip asks for a row's offset first, when the reader has taken as many lines as come before the row
        lines_before = iter(partial(getattr, rows, "line_num"), None)
        return zip(map(offsets.__getitem__, lines_before), rows, strict=False)

    def _first_error(self, block: _Block) -> RecordError:
        offset = block.offset
        while True:
            raw = block.row_at(offset)
            row = raw.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
            row = row.removeprefix(BOM.decode()) if offset == 0 else row
            if not raw or not self._row.fullmatch(row):
                return block.error(self._cause(row), offset)
            offset += len(raw)

    def _cause(self, row: str) -> str:
        """Why a row is none."""
        match = self._row.match(row)
        at = match.end() if match else 0
        before, found = row[at - 1 : at], row[at : at + 1]
        if found == "\r":
            return "a carriage return stands alone: rows must end with a line feed"
        if found == '"' and before in ("", self._delimiter):
            return "a quote is opened and never closed"
        if found == '"':
            return "a quote stands inside of a field that does not begin with one"
        return "a field goes on after its closing quote (or a quote before it was never closed)"


def _line_offsets(block: _Block) -> Iterator[int]:
    """The offset of each line of a block, and that of its end."""
    return accumulate([len(raw) + 1 for raw in block.data.split(b"\n")], initial=block.offset)
