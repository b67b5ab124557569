"""Parse whole rows of separated values into fields, or name the row that breaks the rules."""

from __future__ import annotations

import csv
import io
import re
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, repeat

from mapreduce.errors import RecordError, TextPlace
from mapreduce.formats.quoted_rows import PLAIN, Marks, row_at
from mapreduce.formats.text import BOM
from mapreduce.formats.undecoded import Undecoded
from mapreduce.input_formats import Csv

_RECORD_SHOWN = 200


def marks_of(form: Csv) -> Marks:
    """Return the bytes that decide where the rows of a format end."""
    name = "utf-8" if form.transcoded else form.encoding
    return Marks(
        quote=form.quote.encode(name) if form.quoting == "minimal" else None,
        escape=form.escape.encode(name) if form.escape else None,
    )


@dataclass(frozen=True, slots=True)
class RowBlock:
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


class RowParser:
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

    def rows(self, block: RowBlock) -> Iterator[tuple[int, list[str]]]:
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

    @staticmethod
    def line_offsets(block: RowBlock) -> Iterator[int]:
        """Return the offset of each line of a block, and that of its end."""
        return _line_offsets(block)

    def _text(self, block: RowBlock) -> str:
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

    def _line_by_line(self, block: RowBlock) -> str:
        """Decode a block that is not in its encoding; each line with such bytes is counted."""
        lines, at = [], block.offset
        for line in block.data.split(b"\n"):
            try:
                lines.append(line.decode(self.encoding))
            except UnicodeDecodeError:
                lines.append(self.undecoded.other(line, at, self.encoding))
            at += len(line) + 1
        return "\n".join(lines)

    def _plain(self, block: RowBlock, text: str) -> Iterator[tuple[int, list[str]]]:
        """Return rows without a quote: `str.split` is enough, and many times faster than csv."""
        # a carriage return before a line feed belongs to the line end
        lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
        rows = map(str.split, lines, repeat(self._delimiter))
        records = zip(_line_offsets(block), rows, strict=False)
        return records if all(lines) else ((at, row) for at, row in records if row != [""])

    def _quoted(self, block: RowBlock, text: str) -> Iterator[tuple[int, list[str]]]:
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
        found = zip(map(offsets.__getitem__, lines_before), rows, strict=False)
        return found if self._escape is None else _ended(found, block)

    def _first_error(self, block: RowBlock) -> RecordError:
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


def _ended(
    rows: Iterator[tuple[int, list[str]]], block: RowBlock
) -> Iterator[tuple[int, list[str]]]:
    """Yield rows; only the last one of a file can have its end escaped, which csv refuses."""
    last = block.offset
    try:
        for at, row in rows:
            yield at, row
            last = at + len(block.row_at(at))
    except csv.Error as exc:
        raise block.error("the end of the last row is escaped, so it has none", last) from exc


def _line_offsets(block: RowBlock) -> Iterator[int]:
    """Return the offset of each line of a block, and that of its end."""
    return accumulate([len(raw) + 1 for raw in block.data.split(b"\n")], initial=block.offset)
