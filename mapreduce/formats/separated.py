"""Separated values (CSV) by RFC 4180: from byte ranges to rows, exactly, or with an error.

A row ends with a line feed, which may follow a carriage return. A byte range can be read alone
after the split stage has `marked` it. What the RFC forbids is never guessed but refused, and the
error names the row: a quote in a field without quotes, text after a closing quote, an unclosed
quote, a lone carriage return, more or fewer fields than the header.
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
from mapreduce.formats.base import BadRecord, ReadRange, RecordBatch
from mapreduce.formats.limits import LIMITS, Limits
from mapreduce.formats.quoted_rows import RowRange, owned_rows, quotes_before, row_at
from mapreduce.formats.text import BOM, TAIL_BYTES
from mapreduce.formats.undecoded import Undecoded
from mapreduce.formats.unpacked import unpacked_text
from mapreduce.input_formats import Csv
from mapreduce.wire.messages import ByteRange

Row: TypeAlias = "dict[str, str] | list[str] | BadRecord"

_RECORD_SHOWN = 200


def marked(
    pieces: Sequence[ByteRange], read: ReadRange, limits: Limits = LIMITS
) -> list[ByteRange]:
    """Return the byte ranges with the state of their object: its header, and whether each begins in
    quotes.

    Args:
        pieces: all byte ranges of one object with format `Csv`, in ascending order.
        read: reads a range of the object.
        limits: the longest header.

    Raises:
        RecordError: the header is broken or too long, or names a column twice or not at all.
    """
    header = _header(pieces[0], read, limits) if pieces and _form(pieces[0]).header else None
    starts = [byte_range.start for byte_range in pieces]
    return [
        byte_range.model_copy(update={"header": header, "quoted": quoted})
        for byte_range, quoted in zip(pieces, quotes_before(starts, read), strict=True)
    ]


class CsvReader:
    """Rows of separated values. Arguments and errors are those of the `Reader` protocol.

    Args:
        form: the delimiter, and whether the object's first row names the columns.
        limits: the longest row.
        lenient: yield a row of another width than the header as a `BadRecord`, in place of its
            fields.
    """

    def __init__(self, form: Csv, limits: Limits = LIMITS, *, lenient: bool = False) -> None:
        self._form = form
        self._limits = limits
        self._lenient = lenient
        self._parser = _Parser(form.delimiter)

    @property
    def undecoded(self) -> Undecoded:
        """The bytes so far that are not UTF-8."""
        return self._parser.undecoded

    def batches(self, byte_range: ByteRange, read: ReadRange) -> Iterator[RecordBatch]:
        """Yield batches of rows.

        Raises:
            ValueError: the byte range needs a header, but was not marked.
        """
        if self._form.header and byte_range.header is None:
            raise ValueError(
                f"the byte range of {byte_range.source} at {byte_range.start} has no header; "
                "mark it when it is planned"
            )
        accounted = 0
        for position, data in _blocks(byte_range, read, self._limits):
            start, length = position, len(data)
            if byte_range.compression is not None:  # its first batch accounts for all of its bytes
                start, length, accounted = accounted, byte_range.size - accounted, byte_range.size
            offset = position + byte_range.source_offset
            yield RecordBatch(start, length, self._rows(byte_range, offset, data), data, offset)
        if byte_range.compression is not None and not accounted:  # it unpacks to nothing
            yield RecordBatch(0, byte_range.size, iter(()), b"")

    def _rows(self, byte_range: ByteRange, offset: int, data: bytes) -> Iterator[tuple[int, Row]]:
        block = _Block(data, offset, byte_range.source)
        if self._form.header:
            return self._named(block, byte_range.header or ())
        return self._listed(block)

    def _listed(self, block: _Block) -> Iterator[tuple[int, Row]]:
        for at, row in self._parser.rows(block):
            if row:
                yield at, row

    def _named(self, block: _Block, header: tuple[str, ...]) -> Iterator[tuple[int, Row]]:
        width = len(header)
        for at, row in self._parser.rows(block):
            if len(row) == width and at:
                # no `strict`: the lengths are equal, and this is the hottest line
                yield at, dict(zip(header, row))  # noqa: B905
            elif len(row) != width and row:
                error = block.error(
                    f"a row has {len(row)} fields, but the header names {width}", at
                )
                if not self._lenient:
                    raise error
                yield at, BadRecord(block.row_at(at), error)


def _form(byte_range: ByteRange) -> Csv:
    if not isinstance(byte_range.format, Csv):
        raise TypeError(f"{byte_range.source} is not CSV but {byte_range.format.kind}")
    return byte_range.format


def _blocks(byte_range: ByteRange, read: ReadRange, limits: Limits) -> Iterator[tuple[int, bytes]]:
    """Yield the rows whose first byte lies in the byte range, decompressed, like `owned_rows`."""
    if byte_range.compression is None:
        part = RowRange(byte_range.start, byte_range.end, byte_range.size, byte_range.quoted)
        return owned_rows(read, part, byte_range.source, byte_range.source_offset, limits)
    unpacked = unpacked_text(
        read(0, byte_range.size), byte_range.compression, byte_range.source, limits
    )
    return owned_rows(
        lambda _start, _end: unpacked, RowRange(0, 1, 1), byte_range.source, limits=limits
    )


def _header(byte_range: ByteRange, read: ReadRange, limits: Limits) -> tuple[str, ...]:
    """Return the names in the object's first row; none if the object is empty."""
    start_only = byte_range.model_copy(
        update={"start": 0, "end": min(byte_range.size, TAIL_BYTES), "quoted": False}
    )
    rows = next((rows for _, rows in _blocks(start_only, read, limits)), b"")
    if not rows:
        return ()
    block = _Block(row_at(rows, 0), 0, byte_range.source)
    names = next((row for _, row in _Parser(_form(byte_range).delimiter).rows(block)), [])
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
        """Return the row that begins at an offset."""
        return row_at(self.data, offset - self.offset)

    def error(self, cause: str, offset: int) -> RecordError:
        """Return an error about the row at an offset."""
        shown = self.row_at(offset)[:_RECORD_SHOWN].decode("utf-8", "replace")
        return RecordError(
            f"{cause}. A field that contains a quote, a delimiter or a line end must be quoted, "
            "and its quotes doubled (RFC 4180). Correct the file, or read it with another "
            'Csv(delimiter="...") or as Text()',
            place=TextPlace(self.source, offset),
            record=repr(shown)[:_RECORD_SHOWN],
        )


class _Parser:
    """Parses blocks of whole rows into lists of fields, and counts bytes that are not UTF-8."""

    def __init__(self, delimiter: str) -> None:
        # the csv module limits a field to 128 KiB; the limit can only be set for the whole process
        csv.field_size_limit(sys.maxsize)
        self._delimiter = delimiter
        field = rf'(?:"[^"]*+(?:""[^"]*+)*+"|[^"\r\n{re.escape(delimiter)}]*+)'
        row = rf"{field}(?:{re.escape(delimiter)}{field})*+"
        self._row = re.compile(row)
        self._rows = re.compile(rf"(?:{row}\r?+\n)*+(?:{row}\r?+)?+")
        self.undecoded = Undecoded()

    def rows(self, block: _Block) -> Iterator[tuple[int, list[str]]]:
        """Yield the (offset, fields) of each row; an empty row has no field, or is left out.

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
        """Return rows without a quote: `str.split` is enough, and many times faster than csv."""
        # every carriage return belongs to a line end here, as `rows` has counted them
        lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
        rows = map(str.split, lines, repeat(self._delimiter))
        records = zip(_line_offsets(block), rows, strict=False)
        return records if all(lines) else ((at, row) for at, row in records if row != [""])

    def _quoted(self, block: _Block, text: str) -> Iterator[tuple[int, list[str]]]:
        if not self._rows.fullmatch(text):
            raise self._first_error(block)
        offsets = array("Q", _line_offsets(block))  # a list would take five times the memory
        # newline="\n": only a line feed ends a line, and csv sees it, as quoted fields may hold it
        rows = csv.reader(io.StringIO(text, newline="\n"), delimiter=self._delimiter, strict=True)
        # zip takes a row's offset before the row, when the reader has consumed exactly the lines
        # before it
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
        """Return why a row breaks the rules."""
        match = self._row.match(row)
        at = match.end() if match else 0
        before, found = row[at - 1 : at], row[at : at + 1]
        if found == "\r":
            return "a carriage return without a line feed: rows must end with a line feed"
        if found == '"' and before in ("", self._delimiter):
            return "a quote is opened and never closed"
        if found == '"':
            return "a quote inside a field that does not begin with a quote"
        return "text after a closing quote (or an earlier quote was never closed)"


def _line_offsets(block: _Block) -> Iterator[int]:
    """Return the offset of each line of a block, and that of its end."""
    return accumulate([len(raw) + 1 for raw in block.data.split(b"\n")], initial=block.offset)
