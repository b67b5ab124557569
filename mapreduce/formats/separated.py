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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, repeat
from typing import TypeAlias

from mapreduce.errors import RecordError, TextPlace
from mapreduce.formats.base import BadRecord, ReadRange, RecordBatch
from mapreduce.formats.decoding import transcoded
from mapreduce.formats.limits import LIMITS, Limits
from mapreduce.formats.quoted_rows import (
    PLAIN,
    Marks,
    RowRange,
    owned_rows,
    row_at,
    states_before,
)
from mapreduce.formats.text import BOM, TAIL_BYTES
from mapreduce.formats.undecoded import Undecoded
from mapreduce.formats.unpacked import streamed
from mapreduce.input_formats import Csv
from mapreduce.input_formats.encodings import encoding_of
from mapreduce.wire.messages import ByteRange

Row: TypeAlias = "dict[str, str] | list[str] | BadRecord"

_RECORD_SHOWN = 200


def marked(
    pieces: Sequence[ByteRange], read: ReadRange, limits: Limits = LIMITS
) -> list[ByteRange]:
    """Return the byte ranges with the state of their object: its header, where its records begin,
    and whether each begins in quotes.

    Args:
        pieces: all byte ranges of one object with format `Csv`, in ascending order.
        read: reads a range of the object.
        limits: the longest header.

    Raises:
        RecordError: the header is broken or too long, or names a column twice or not at all.
    """
    if not pieces:
        return []
    form = _form(pieces[0])
    header, body = _head(form, pieces[0], read, limits)
    starts = [byte_range.start for byte_range in pieces]
    states = states_before(starts, read, marks_of(form), body)
    return [
        byte_range.model_copy(
            update={"header": header, "body": body, "quoted": quoted, "escaped": escaped}
        )
        for byte_range, (quoted, escaped) in zip(pieces, states, strict=True)
    ]


def marks_of(form: Csv) -> Marks:
    """Return the bytes that decide where the rows of a format end."""
    name = "utf-8" if form.transcoded else form.encoding
    return Marks(
        quote=form.quote.encode(name) if form.quoting == "minimal" else None,
        escape=form.escape.encode(name) if form.escape else None,
    )


class CsvReader:
    """Rows of separated values. Arguments and errors are those of the `Reader` protocol.

    Args:
        form: its options.
        limits: the longest row.
        lenient: yield a row of another width than the header as a `BadRecord`, in place of its
            fields.
    """

    def __init__(self, form: Csv, limits: Limits = LIMITS, *, lenient: bool = False) -> None:
        self._form = form
        self._limits = limits
        self._lenient = lenient
        self._parser = _Parser(form)

    @property
    def undecoded(self) -> Undecoded:
        """The bytes so far that are not in the encoding."""
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
        streams = byte_range.compression is not None or self._form.transcoded is not None
        top = max(0, byte_range.body - byte_range.source_offset)
        if not streams and byte_range.start < top:  # the header, and what is skipped before it
            before = min(byte_range.end, top) - byte_range.start
            yield RecordBatch(byte_range.start, before, iter(()), b"", top)
        undecoded = self._parser.undecoded
        for position, data in _blocks(byte_range, read, self._limits, top, undecoded):
            start, length = position, len(data)
            if streams:  # its first batch accounts for all of its bytes
                start, length, accounted = accounted, byte_range.size - accounted, byte_range.size
            offset = position + byte_range.source_offset
            yield RecordBatch(start, length, self._rows(byte_range, offset, data), data, offset)
        if streams and not accounted:  # it unpacks to nothing
            yield RecordBatch(0, byte_range.size, iter(()), b"")

    def _rows(self, byte_range: ByteRange, offset: int, data: bytes) -> Iterator[tuple[int, Row]]:
        block = _Block(data, offset, byte_range.source, self._parser.marks)
        rows = self._parser.rows(block)
        if self._form.comment is not None:
            mark = self._form.comment.encode(self._parser.encoding)
            rows = ((at, row) for at, row in rows if not block.begins_with(mark, at))
        if self._form.header:
            return self._named(block, rows, byte_range.header or ())
        return ((at, row) for at, row in rows if row)

    def _named(
        self, block: _Block, rows: Iterator[tuple[int, list[str]]], header: tuple[str, ...]
    ) -> Iterator[tuple[int, Row]]:
        width = len(header)
        for at, row in rows:
            if len(row) == width:
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


def _blocks(
    byte_range: ByteRange, read: ReadRange, limits: Limits, top: int, undecoded: Undecoded
) -> Iterator[tuple[int, bytes]]:
    """Yield the rows whose first byte lies in the byte range, like `owned_rows`; those of a stream
    decompressed and in UTF-8.
    """
    form, marks = _form(byte_range), marks_of(_form(byte_range))
    source = byte_range.source
    stream = _stream(form, byte_range, read, limits, undecoded)
    if stream is None:
        part = RowRange(
            byte_range.start,
            byte_range.end,
            byte_range.size,
            byte_range.quoted,
            byte_range.escaped,
            top,
        )
        return owned_rows(read, part, source, byte_range.source_offset, limits, marks)
    blocks = _without_first(stream, top)
    rows = owned_rows(
        lambda _start, _end: blocks, RowRange(0, 1, 1), source, top, limits=limits, marks=marks
    )
    return ((position + top, data) for position, data in rows)


def _stream(
    form: Csv, byte_range: ByteRange, read: ReadRange, limits: Limits, undecoded: Undecoded
) -> Iterator[bytes] | None:
    whole = form.transcoded
    convert: Callable[[Iterator[bytes]], Iterator[bytes]] | None = None
    if whole is not None:

        def convert(blocks: Iterator[bytes]) -> Iterator[bytes]:
            return transcoded(blocks, whole, form.errors, byte_range.source, undecoded)

    code = encoding_of(form.encoding)
    return streamed(byte_range, read, limits, encoding=code, transcode=convert)


def _without_first(blocks: Iterator[bytes], size: int) -> Iterator[bytes]:
    for block in blocks:
        if len(block) > size:
            yield block[size:]
        size = max(0, size - len(block))


def _head(
    form: Csv, byte_range: ByteRange, read: ReadRange, limits: Limits
) -> tuple[tuple[str, ...] | None, int]:
    """Return the names of the columns, and where the first row that is a record begins."""
    top = _first_row(form, byte_range, read, limits)
    if form.header is not True:
        return form.header or None, top
    start_only = byte_range.model_copy(
        update={
            "start": 0,
            "end": min(byte_range.size, top + TAIL_BYTES),
            "quoted": False,
            "escaped": False,
        }
    )
    blocks = _blocks(start_only, read, limits, top, Undecoded())
    rows = next((rows for _, rows in blocks), b"")
    if not rows:
        return (), top
    row = row_at(rows, 0, marks_of(form))
    block = _Block(row, top, byte_range.source, marks_of(form))
    names = next((row for _, row in _Parser(form).rows(block)), [])
    if not all(names) or not names:
        raise block.error(
            "the header, which is the file's first row, has a column without a name", top
        )
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise block.error(f"the header names {', '.join(map(repr, twice))} twice", top)
    return tuple(names), top + len(row)


def _first_row(form: Csv, byte_range: ByteRange, read: ReadRange, limits: Limits) -> int:
    """Return where the first row begins: behind the lines that are skipped, and comments."""
    if not form.skip and form.comment is None:
        return 0
    stream = _stream(form, byte_range, read, limits, Undecoded())
    blocks = stream if stream is not None else _growing(read, byte_range.size)
    name = "utf-8" if form.transcoded else form.encoding
    mark = form.comment.encode(name) if form.comment else None
    data, at, left = bytearray(), 0, form.skip
    for block in blocks:
        data += block
        while (end := data.find(b"\n", at)) >= 0:
            line = bytes(data[at:end]).removeprefix(BOM if at == 0 else b"")
            if left:
                left -= 1
            elif mark is None or not line.startswith(mark):
                return at
            at = end + 1
        if len(data) - at > limits.record_bytes:
            break
    is_row = not left and not (mark and bytes(data[at:]).startswith(mark))
    return at if is_row else len(data)


def _growing(read: ReadRange, size: int) -> Iterator[bytes]:
    at, length = 0, TAIL_BYTES
    while at < size:
        stop = min(at + length, size)
        yield from read(at, stop)
        at, length = stop, length * 4


@dataclass(frozen=True, slots=True)
class _Block:
    """Whole rows of one source, and the offset of the first."""

    data: bytes
    offset: int
    source: str
    marks: Marks = PLAIN

    def row_at(self, offset: int) -> bytes:
        """Return the row that begins at an offset."""
        return row_at(self.data, offset - self.offset, self.marks)

    def begins_with(self, mark: bytes, offset: int) -> bool:
        """Return whether the row at an offset begins with a mark."""
        at = offset - self.offset
        at += len(BOM) if offset == 0 and self.data.startswith(BOM) else 0
        return self.data.startswith(mark, at)

    def error(self, cause: str, offset: int) -> RecordError:
        """Return an error about the row at an offset."""
        shown = self.row_at(offset)[:_RECORD_SHOWN].decode("utf-8", "replace")
        return RecordError(
            f"{cause}. A field that contains a quote, a delimiter or a line end must be quoted, "
            "and its quotes doubled (RFC 4180). Correct the file, or read it with other options: "
            'Csv(delimiter=..., quoting="none", quote=..., escape=...), or as Text()',
            place=TextPlace(self.source, offset),
            record=repr(shown)[:_RECORD_SHOWN],
        )


class _Parser:
    """Parses blocks of whole rows into lists of fields, and counts bytes that are not in the
    encoding.
    """

    def __init__(self, form: Csv) -> None:
        # the csv module limits a field to 128 KiB; the limit can only be set for the whole process
        csv.field_size_limit(sys.maxsize)
        self._delimiter = form.delimiter
        self._errors = form.errors
        self._quote = form.quote if form.quoting == "minimal" else None
        self._escape = form.escape
        self.encoding = "utf-8" if form.transcoded else form.encoding
        self.marks = marks_of(form)
        field = _field(form)
        row = rf"{field}(?:{re.escape(form.delimiter)}{field})*+"
        self._row = re.compile(row)
        self._rows = re.compile(rf"(?:{row}\r?+\n)*+(?:{row}\r?+)?+")
        self.undecoded = Undecoded()

    def rows(self, block: _Block) -> Iterator[tuple[int, list[str]]]:
        """Yield the (offset, fields) of each row; an empty row has no field, or is left out.

        Raises:
            RecordError: a row breaks the rules of RFC 4180, or is not in the encoding.
        """
        text = self._text(block)
        if self._quote is None and self._escape is None:
            return self._plain(block, text)
        special = (self._quote and self._quote in text) or (self._escape and self._escape in text)
        if special or text.count("\r") != text.count("\r\n"):
            return self._quoted(block, text)
        return self._plain(block, text)

    def _text(self, block: _Block) -> str:
        try:
            text = block.data.decode(self.encoding)
        except UnicodeDecodeError as exc:
            if self._errors == "strict":
                place = TextPlace(block.source, block.offset + exc.start)
                raise RecordError(
                    f"a row is not text in {self.encoding} ({exc.reason}); write the encoding that "
                    'it has, or errors="replace" to read U+FFFD in place of such bytes',
                    place=place,
                ) from exc
            if self.encoding == "utf-8":
                text = block.data.decode("utf-8", "replace")
                self.undecoded.whole_lines(block.data, block.offset)
            else:
                text = self._line_by_line(block)
        return text.removeprefix(BOM.decode()) if block.offset == 0 else text

    def _line_by_line(self, block: _Block) -> str:
        """Decode a block that is not in its encoding; each line with such bytes is counted."""
        lines, at = [], block.offset
        for line in block.data.split(b"\n"):
            try:
                lines.append(line.decode(self.encoding))
            except UnicodeDecodeError:
                lines.append(self.undecoded.other(line, at, self.encoding))
            at += len(line) + 1
        return "\n".join(lines)

    def _plain(self, block: _Block, text: str) -> Iterator[tuple[int, list[str]]]:
        """Return rows without a quote: `str.split` is enough, and many times faster than csv."""
        # a carriage return before a line feed belongs to the line end
        lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
        rows = map(str.split, lines, repeat(self._delimiter))
        records = zip(_line_offsets(block), rows, strict=False)
        return records if all(lines) else ((at, row) for at, row in records if row != [""])

    def _quoted(self, block: _Block, text: str) -> Iterator[tuple[int, list[str]]]:
        if not self._rows.fullmatch(text):
            raise self._first_error(block)
        offsets = array("Q", _line_offsets(block))  # a list would take five times the memory
        # newline="\n": only a line feed ends a line, and csv sees it, as quoted fields may hold it
        rows = csv.reader(
            io.StringIO(text, newline="\n"),
            delimiter=self._delimiter,
            quoting=csv.QUOTE_MINIMAL if self._quote else csv.QUOTE_NONE,
            quotechar=self._quote or '"',
            escapechar=self._escape,
            strict=True,
        )
        # zip takes a row's offset before the row, when the reader has consumed exactly the lines
        # before it
        lines_before = iter(partial(getattr, rows, "line_num"), None)
        return zip(map(offsets.__getitem__, lines_before), rows, strict=False)

    def _first_error(self, block: _Block) -> RecordError:
        offset = block.offset
        while True:
            raw = block.row_at(offset)
            row = raw.decode(self.encoding, "replace").removesuffix("\n").removesuffix("\r")
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
        if found == self._quote and before in ("", self._delimiter):
            return "a quote is opened and never closed"
        if found == self._quote:
            return "a quote inside a field that does not begin with a quote"
        return "text after a closing quote (or an earlier quote was never closed)"


def _field(form: Csv) -> str:
    """Return the pattern of one field."""
    delimiter, escape = re.escape(form.delimiter), re.escape(form.escape or "")
    escaped = f"|{escape}(?s:.)" if escape else ""
    if form.quoting == "none":
        return rf"(?:[^\r\n{delimiter}{escape}]{escaped})*+"
    quote = re.escape(form.quote)
    inside = rf"[^{quote}{escape}]*+"
    quoted = rf"{quote}{inside}(?:(?:{quote}{quote}{escaped}){inside})*+{quote}"
    plain = rf"[^{quote}\r\n{delimiter}{escape}]*+"
    plain = rf"{plain}(?:{escape}(?s:.){plain})*+" if escape else plain
    return rf"(?:{quoted}|{plain})"


def _line_offsets(block: _Block) -> Iterator[int]:
    """Return the offset of each line of a block, and that of its end."""
    return accumulate([len(raw) + 1 for raw in block.data.split(b"\n")], initial=block.offset)
