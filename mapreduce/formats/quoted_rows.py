"""Rows with line ends inside quotes: which of them belong to a byte range.

A row ends with a line feed outside quotes, and a byte is outside if an even number of quotes comes
before it. So a range can be read alone if it is known whether it begins inside quotes; `quotes`
finds that out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mapreduce.errors import TextPlace
from mapreduce.formats.base import ReadRange
from mapreduce.formats.limits import LIMITS, Limits, too_long
from mapreduce.formats.text import TAIL_BYTES, count_byte

_LARGEST_READ = 64 << 20

# possessive quantifiers: no backtracking, so a row of any length matches in constant memory
_ROW = rb'[^"\n]*+(?:"[^"]*+"[^"\n]*+)*+\n'
_QUOTE_END = rb'[^"]*+"'
_FIRST_ROW = {False: re.compile(_ROW), True: re.compile(_QUOTE_END + _ROW)}
_ALL_ROWS = {
    False: re.compile(rb"(?:%b)*+" % _ROW),
    True: re.compile(_QUOTE_END + rb"(?:%b)++" % _ROW),
}


@dataclass(frozen=True, slots=True)
class Marks:
    """The bytes that decide where rows end: the quote, if there is one, and the escape.

    The rest of this module knows only double quotes: `view` shows it any other rows so.
    """

    quote: bytes | None = b'"'
    escape: bytes | None = None

    @property
    def is_plain(self) -> bool:
        """True for double quotes without an escape: the view is the block."""
        return self.quote == b'"' and self.escape is None

    def view(self, block: bytes, escaped: bool) -> tuple[bytes, bool]:
        """Return a block of the same length, whose double quotes are those that count.

        Args:
            block: the bytes; it cuts no mark of several bytes.
            escaped: the first byte has no meaning.

        Returns:
            The block, and whether the byte after it has no meaning.
        """
        if self.is_plain or not block:
            return block, escaped
        view = block
        if self.escape is not None:
            view = b"x" + view[1:] if escaped else view
            meant = re.escape(self.escape) + b"."
            view = re.sub(meant, b"x" * (len(self.escape) + 1), view, flags=re.DOTALL)
            escaped = view.endswith(self.escape)
        if self.quote != b'"':
            view = view.replace(b'"', b"x")
            if self.quote:  # of several bytes where it is beyond ASCII
                view = view.replace(self.quote, b'"'.ljust(len(self.quote), b"x"))
        return view, escaped


PLAIN = Marks()


@dataclass(frozen=True, slots=True)
class RowRange:
    """A range [start, end) of an object of `size` bytes, whether it begins inside quotes, and
    whether the byte before it has no meaning.

    The first row of the object begins at `top`.
    """

    start: int
    end: int
    size: int
    quoted: bool = False
    escaped: bool = False
    top: int = 0


def owned_rows(
    read: ReadRange,
    part: RowRange,
    source: str,
    offset: int = 0,
    limits: Limits = LIMITS,
    marks: Marks = PLAIN,
    block_bytes: int = 0,
) -> Iterator[tuple[int, bytes]]:
    """Yield the rows whose first byte lies in the range, as blocks of whole rows.

    Args:
        read: reads a range of the object.
        part: the range.
        source: identifies the object in errors.
        offset: added to a position in errors.
        limits: the longest row.
        marks: what decides where rows end.
        block_bytes: the blocks, all but the last, have at least so many bytes: they are made by one
            copy.

    Yields:
        (position of the block in the object, its bytes); all but the object's last row end with a
            line feed.

    Raises:
        RecordError: a row is too long.
    """
    if max(part.start, part.top) >= part.end:
        return
    held = _Held(source, offset, limits.record_bytes, block_bytes)
    # read one byte before the range: it tells whether a row begins with the range's first byte
    skipping = part.start > part.top
    position, quoted, escaped = (
        (part.start - 1, None, part.escaped) if skipping else (part.top, False, False)
    )
    for block in read(position, part.end):
        view, escaped = marks.view(block, escaped)
        if quoted is None:
            # `part.quoted` is the state one byte further on, at the range's start: undo a quote
            quoted = part.quoted ^ (view[:1] == b'"')
        if skipping:
            end, quoted = _first_row_end(view, quoted)
            position += end or len(block)
            if not end:
                continue
            skipping, block, view = False, block[end:], view[end:]
        before = quoted
        end, quoted = _last_row_end(view, quoted)
        yield from held.rows(
            position, block, end, _first_row_end(view, before)[0] if held.row_bytes and end else 0
        )
        position += len(block)
    if not held.row_bytes:
        yield from held.rest()
    else:
        state = quoted is True, escaped
        yield from _to_row_end(read, part, state, held, marks)


def row_at(rows: bytes, begin: int, marks: Marks = PLAIN) -> bytes:
    """Return the row that begins at `begin`, in a block of whole rows."""
    if marks.is_plain:
        found = _FIRST_ROW[False].match(rows, begin)
        return found[0] if found else rows[begin:]
    found = _FIRST_ROW[False].match(marks.view(rows[begin:], False)[0])
    return rows[begin : begin + found.end()] if found else rows[begin:]


def _to_row_end(
    read: ReadRange, part: RowRange, state: tuple[bool, bool], held: _Held, marks: Marks
) -> Iterator[tuple[int, bytes]]:
    """Yield the last row, read beyond the range up to its end, in growing steps.

    The state is that at the end of the range: inside quotes, and whether the next byte is escaped.
    """
    start, length = part.end, TAIL_BYTES
    quoted, escaped = state
    while start < part.size:
        stop = min(start + length, part.size)
        for block in read(start, stop):
            view, escaped = marks.view(block, escaped)
            end, quoted = _first_row_end(view, quoted)
            if end:
                yield from held.rows(start, block[:end], end, end)
                yield from held.rest()
                return
            yield from held.rows(start, block, 0)
        start, length = stop, min(length * 4, _LARGEST_READ)
    yield from held.rest()


class _Held:
    """Whole rows until they are enough, and the row behind them that has not ended, as a list, so
    that all is copied only once.

    Attributes:
        row_bytes: the length of the row that has not ended.
    """

    def __init__(self, source: str, offset: int, limit_bytes: int, block_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._block_bytes = block_bytes
        self._source = source
        self._offset = offset
        self._blocks: list[bytes | memoryview] = []
        self._at = self._length = 0
        self._row_at = self._row_block = 0
        self.row_bytes = 0

    def rows(
        self, position: int, block: bytes, end: int, first: int = 0
    ) -> Iterator[tuple[int, bytes]]:
        """Yield the rows that end in a block, the first with its held start.

        `end` is the end of the last of them (0: none ends here), `first` the end of the held row.
        """
        self._check(first)
        if end:
            self._hold(position, block, 0, end)
            self.row_bytes = 0
            if self._length >= self._block_bytes:
                yield from self.rest()
        if end < len(block):
            if not self.row_bytes:
                self._row_at, self._row_block = position + end, len(self._blocks)
            self._hold(position + end, block, end, len(block))
            self.row_bytes += len(block) - end
        self._check(0)

    def rest(self) -> Iterator[tuple[int, bytes]]:
        """Yield the held bytes."""
        if self._blocks:
            yield self._at, b"".join(self._blocks)
        self._blocks, self._length = [], 0

    def _check(self, more: int) -> None:
        if self.row_bytes + more <= self._limit_bytes + 1:  # one for the line end
            return
        start, self._blocks = bytes(self._blocks[self._row_block]), []
        hint = (
            "Most often a closing quote is missing, or a quote is in a field without quotes: "
            "correct the file, or read it as Text()"
        )
        place = TextPlace(self._source, self._row_at + self._offset)
        raise too_long("a row", self._limit_bytes, hint, place=place, start=start)

    def _hold(self, position: int, block: bytes, begin: int, end: int) -> None:
        self._at = self._at if self._blocks else position
        self._blocks.append(block if end - begin == len(block) else memoryview(block)[begin:end])
        self._length += end - begin


def _first_row_end(block: bytes, quoted: bool) -> tuple[int, bool]:
    """Return the end of the first row that ends in the block (after its line feed), and the quoting
    there.

    If none ends: 0, and the quoting at the block's end.
    """
    found = _FIRST_ROW[quoted].match(block)
    return (found.end(), False) if found else (0, quoted_after(block, quoted))


def _last_row_end(block: bytes, quoted: bool) -> tuple[int, bool]:
    """Return the end of the last row that ends in the block, or 0, and the quoting at the block's
    end.
    """
    # the common case needs no pattern
    if not quoted and b'"' not in block:
        return block.rfind(b"\n") + 1, False
    found = _ALL_ROWS[quoted].match(block)
    return found.end() if found else 0, quoted_after(block, quoted)


def quoted_after(data: bytes, quoted: bool) -> bool:
    """Return whether the byte behind the data is inside quotes."""
    return quoted ^ (count_byte(data, b'"') % 2 == 1)
