"""Separated values (CSV) by RFC 4180: from byte ranges to rows, exactly, or with an error.

A row ends with a line feed, which may follow a carriage return. A byte range can be read alone
after the split stage has `marked` it. What the RFC forbids is never guessed but refused, and the
error names the row: a quote in a field without quotes, text after a closing quote, an unclosed
quote, a lone carriage return, more or fewer fields than the header.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeAlias

from mapreduce.errors import RecordError, TextPlace
from mapreduce.formats.base import BadRecord, ReadRange, RecordBatch
from mapreduce.formats.decoding import transcoded
from mapreduce.formats.limits import LIMITS, Limits
from mapreduce.formats.named_rows import NamedRows
from mapreduce.formats.quoted_rows import (
    RowRange,
    owned_rows,
    row_at,
)
from mapreduce.formats.quotes import states_before
from mapreduce.formats.row_parser import RowBlock, RowParser, marks_of
from mapreduce.formats.text import BOM, TAIL_BYTES
from mapreduce.formats.undecoded import Undecoded
from mapreduce.formats.unpacked import streamed
from mapreduce.input_formats import Csv
from mapreduce.input_formats.encodings import encoding_of
from mapreduce.wire.messages import ByteRange

Row: TypeAlias = "dict[str, str] | list[str] | BadRecord"


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
        RecordError: the header is broken or too long, or names a column twice or not at all; or it
            has none of a name that the format's `columns` have.
    """
    if not pieces:
        return []
    form = _form(pieces[0])
    header, body = _head(form, pieces[0], read, limits)
    if missing := [name for name in form.columns or () if name not in (header or ())]:
        raise RecordError(
            f"the header of {pieces[0].source} has no column {missing[0]!r}, only "
            f"{', '.join(map(repr, header or ()))}; correct `columns` of the job's Csv(...)",
            place=TextPlace(pieces[0].source, 0),
        )
    starts = [byte_range.start for byte_range in pieces]
    states = states_before(starts, read, marks_of(form), body)
    return [
        byte_range.model_copy(
            update={"header": header, "body": body, "quoted": quoted, "escaped": escaped}
        )
        for byte_range, (quoted, escaped) in zip(pieces, states, strict=True)
    ]


class CsvReader:
    """Rows of separated values. Arguments and errors are those of the `Reader` protocol.

    Args:
        form: its options.
        limits: the longest row.
        lenient: yield a row of another width than the header as a `BadRecord`, in place of its
            fields.
        block_bytes: the batches, all but the last, have at least so many bytes.
    """

    def __init__(
        self, form: Csv, limits: Limits = LIMITS, *, lenient: bool = False, block_bytes: int = 0
    ) -> None:
        self._form = form
        self._block_bytes = block_bytes
        self._limits = limits
        self._parser = RowParser(form)
        self._named = NamedRows(form, self._parser, lenient=lenient)

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
        for position, data in _blocks(
            byte_range, read, self._limits, top, undecoded, self._block_bytes
        ):
            start, length = position, len(data)
            if streams:  # its first batch accounts for all of its bytes
                start, length, accounted = accounted, byte_range.size - accounted, byte_range.size
            offset = position + byte_range.source_offset
            # parsed when the first row is taken, which a map over columns never does
            rows = chain.from_iterable(
                self._rows(*block) for block in ((byte_range, offset, data),)
            )
            yield RecordBatch(start, length, rows, data, offset)
        if streams and not accounted:  # it unpacks to nothing
            yield RecordBatch(0, byte_range.size, iter(()), b"")

    def _rows(self, byte_range: ByteRange, offset: int, data: bytes) -> Iterator[tuple[int, Row]]:
        block = RowBlock(data, offset, byte_range.source, self._parser.marks)
        if not self._form.header:
            return ((at, row) for at, row in self._parsed(block) if row)
        header = byte_range.header or ()
        made = self._named.by_extension(block, header)
        return self._named.by_parser(block, self._parsed(block), header) if made is None else made

    def _parsed(self, block: RowBlock) -> Iterator[tuple[int, list[str]]]:
        """Return the rows of a block, but for comments."""
        rows = self._parser.rows(block)
        if self._form.comment is None:
            return rows
        mark = self._form.comment.encode(self._parser.encoding)
        return ((at, row) for at, row in rows if not block.begins_with(mark, at))


def _form(byte_range: ByteRange) -> Csv:
    if not isinstance(byte_range.format, Csv):
        raise TypeError(f"{byte_range.source} is not CSV but {byte_range.format.kind}")
    return byte_range.format


def _blocks(
    byte_range: ByteRange,
    read: ReadRange,
    limits: Limits,
    top: int,
    undecoded: Undecoded,
    block_bytes: int = 0,
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
        return owned_rows(read, part, source, byte_range.source_offset, limits, marks, block_bytes)
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
    top = first_row(form, _whole(form, byte_range, read, limits), limits)
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
    block = RowBlock(row, top, byte_range.source, marks_of(form))
    names = next((row for _, row in RowParser(form).rows(block)), [])
    if not all(names) or not names:
        raise block.error(
            "the header, which is the file's first row, has a column without a name", top
        )
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise block.error(f"the header names {', '.join(map(repr, twice))} twice", top)
    return tuple(names), top + len(row)


def first_row(form: Csv, blocks: Iterable[bytes], limits: Limits = LIMITS) -> int:
    """Return where the first row begins: behind the lines that are skipped, and comments.

    Args:
        form: the options of the format.
        blocks: the file from its first byte, as far as it is needed.
        limits: the longest line.
    """
    if not form.skip and form.comment is None:
        return 0
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


def _whole(form: Csv, byte_range: ByteRange, read: ReadRange, limits: Limits) -> Iterator[bytes]:
    """Yield the object, of which little is needed, from its first byte."""
    stream = _stream(form, byte_range, read, limits, Undecoded())
    yield from stream if stream is not None else _growing(read, byte_range.size)


def _growing(read: ReadRange, size: int) -> Iterator[bytes]:
    at, length = 0, TAIL_BYTES
    while at < size:
        stop = min(at + length, size)
        yield from read(at, stop)
        at, length = stop, length * 4
