"""Text lines: which of them belong to a byte range, and how their bytes become text.

Hadoop's rule (TextInputFormat): a record belongs to the byte range that holds its first byte,
however long it is. So a range starts at the first record that begins in it and ends with the record
that its end cuts, and the ranges of an object, laid side by side, hold each record once, wherever
they are cut.

A record ends with a line feed, which may follow a carriage return; the last one may have neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mapreduce import native
from mapreduce.errors import TextPlace
from mapreduce.formats.base import ReadRange, RecordBatch
from mapreduce.formats.limits import LIMITS, Limits, too_long
from mapreduce.formats.undecoded import Undecoded
from mapreduce.formats.unpacked import streamed
from mapreduce.wire.messages import ByteRange

BOM = b"\xef\xbb\xbf"
TAIL_BYTES = 64 << 10
BATCH_BYTES = 256 << 10
"""The longest batch; the Python objects of a longer one no longer fit the processor's cache."""


@dataclass(frozen=True, slots=True)
class LineBlock:
    """Some whole lines, where they begin, and which bytes of the object they account for.

    Attributes:
        position: of the block's first byte in the object, or in its decompressed bytes.
        data: the lines; all but the object's last end with a line feed.
        start: position in the object of the first byte accounted for.
        length: how many bytes are accounted for; the first block of a compressed object accounts
            for all.
    """

    position: int
    data: bytes
    start: int
    length: int


class TextReader:
    """Lines of text. Arguments and errors are those of the `Reader` protocol.

    Args:
        limits: the longest line.
    """

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._decoder = LineDecoder()

    @property
    def undecoded(self) -> Undecoded:
        """The bytes so far that are not UTF-8."""
        return self._decoder.undecoded

    def batches(self, byte_range: ByteRange, read: ReadRange) -> Iterator[RecordBatch]:
        """Yield batches of lines."""
        for block in line_blocks(byte_range, read, self._limits):
            records = self._decoder.lines(block.position, block.data, byte_range.source_offset)
            offset = block.position + byte_range.source_offset
            yield RecordBatch(block.start, block.length, records, block.data, offset)


def line_blocks(
    byte_range: ByteRange,
    read: ReadRange,
    limits: Limits,
    unpacked: Iterator[bytes] | None = None,
) -> Iterator[LineBlock]:
    """Yield the lines whose first byte lies in the byte range, decompressed if needed.

    Args:
        byte_range: the range.
        read: reads a range of the object.
        limits: the longest line.
        unpacked: the whole text, if the object was converted.

    Raises:
        RecordError: a line is longer than the limit.
    """

    def held(position: int) -> HeldLine:
        return HeldLine(position, limits.record_bytes, byte_range)

    if unpacked is None:
        unpacked = streamed(byte_range, read, limits)
    if unpacked is None:
        for position, data in owned_blocks(
            read, byte_range.start, byte_range.end, byte_range.size, held
        ):
            yield LineBlock(position, data, position, len(data))
        return
    blocks = unpacked
    accounted = 0
    for position, data in owned_blocks(lambda _start, _end: blocks, 0, 1, 1, held):
        yield LineBlock(position, data, accounted, byte_range.size - accounted)
        accounted = byte_range.size
    if not accounted:  # it unpacks to nothing
        yield LineBlock(0, b"", 0, byte_range.size)


class HeldLine:
    """The bytes since the last line feed: a list of blocks, so that a long line is copied only
    once.

    Args:
        position: where they begin in the object.
        limit_bytes: the longest line.
        byte_range: identifies the line in errors.
    """

    def __init__(
        self, position: int, limit_bytes: int = 1 << 30, byte_range: ByteRange | None = None
    ) -> None:
        self.position = position
        self._limit_bytes = limit_bytes
        self._piece = byte_range
        self._blocks: list[bytes] = []
        self._length = 0

    def __bool__(self) -> bool:
        return bool(self._blocks)

    def hold(self, block: bytes) -> None:
        """Append bytes.

        Raises:
            RecordError: the line is longer than the limit.
        """
        if block:
            self._blocks.append(block)
            self._length += len(block)
        self._check(0)

    def take(self, block: bytes, end: int, position: int) -> bytes:
        """Return the line joined with the first `end` bytes of a block; the next line begins at
        `position`.

        Raises:
            RecordError: together with its end in the block, the line is longer than the limit.
        """
        if self._blocks:
            self._check(block.find(b"\n"))
        # a view, so that the bytes are copied only once, by the join
        data = b"".join([*self._blocks, memoryview(block)[:end]])
        self._blocks, self._length, self.position = [], 0, position
        return data

    def _check(self, more: int) -> None:
        if self._length + more <= self._limit_bytes:
            return
        start, self._blocks = self._blocks[0], []
        place: str | TextPlace = ""
        if self._piece is not None:
            place = TextPlace(self._piece.source, self.position + self._piece.source_offset)
        hint = "Does the file have line ends? Read it with WholeFile() if each file is one record"
        raise too_long("a line", self._limit_bytes, hint, place=place, start=start)


def utf8(data: bytes, offset: int) -> bytes | None:
    """Return whole records without the byte order mark of the input; None where they are no UTF-8.

    Args:
        data: the records.
        offset: of the first one in the input.
    """
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            return None
    return data.removeprefix(BOM) if offset == 0 else data


def owned_blocks(
    read: ReadRange,
    start: int,
    end: int,
    size: int,
    held_from: Callable[[int], HeldLine] = HeldLine,
) -> Iterator[tuple[int, bytes]]:
    """Yield the records whose first byte lies in [start, end), as blocks of whole records.

    Args:
        read: reads a range of the object.
        start: first byte of the range.
        end: byte after the range's last.
        size: bytes in the object.
        held_from: makes the buffer of an incomplete line.

    Yields:
        (position of the block in the object, its bytes); all but the object's last record end with
            a line feed.
    """
    if start >= end:
        return
    position = start
    if start:
        # read one byte before the range: if it is a line feed, a record begins with the range
        position -= 1
    skipping = start > 0
    held = held_from(position)
    for block in _small(read(position, end)):
        at, position = position, position + len(block)
        if skipping:
            feed = block.find(b"\n")
            if feed < 0:
                continue
            skipping = False
            at, block = at + feed + 1, block[feed + 1 :]
            held.position = at
        last_feed = block.rfind(b"\n")
        # one block of all whole lines, together with the held start of the first; the rest is held
        if last_feed >= 0:
            begin = held.position
            yield begin, held.take(block, last_feed + 1, at + last_feed + 1)
            block = block[last_feed + 1 :]
        held.hold(block)
    # the range's last line ends beyond the range: read on to its line feed
    if held:
        for block in _to_line_feed(read, end, size):
            if block.endswith(b"\n"):
                yield held.position, held.take(block, len(block), size)
                return
            held.hold(block)
        yield held.position, held.take(b"", 0, size)


def _small(blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        if len(block) <= BATCH_BYTES:
            yield block
        else:
            yield from (block[at : at + BATCH_BYTES] for at in range(0, len(block), BATCH_BYTES))


def _to_line_feed(read: ReadRange, start: int, size: int) -> Iterator[bytes]:
    """Yield the bytes from `start` through the next line feed, read in growing steps."""
    length = TAIL_BYTES
    while start < size:
        stop = min(start + length, size)
        for block in read(start, stop):
            feed = block.find(b"\n")
            if feed >= 0:
                yield block[: feed + 1]
                return
            yield block
        start, length = stop, min(length * 4, 64 << 20)


class LineDecoder:
    """Decodes blocks of whole records into lines of text.

    Attributes:
        undecoded: the bytes so far that are not UTF-8.
    """

    def __init__(self) -> None:
        self.undecoded = Undecoded()

    def lines(self, position: int, block: bytes, offset: int = 0) -> Iterator[tuple[int, str]]:
        """Yield each record of a block.

        Args:
            position: the block's position in its object.
            block: bytes of whole records.
            offset: added to a position to get the record's offset.

        Yields:
            (byte offset of the record, its text without its line end, and without a byte order mark
                at offset 0).
        """
        at = position + offset
        # ASCII without carriage returns, the common case: one decode for the block, and offsets are
        # lengths of text
        if b"\r" not in block and block.isascii():
            for text in block.decode("ascii").removesuffix("\n").split("\n") if block else ():
                yield at, text
                at += len(text) + 1
            return
        records = block.split(b"\n")
        if not records[-1]:
            records.pop()
        for raw in records:
            line = raw[:-1] if raw.endswith(b"\r") else raw
            if at == 0 and line.startswith(BOM):
                line = line[len(BOM) :]
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError:
                text = self.undecoded.line(line, at)
            yield at, text
            at += len(raw) + 1


def count_byte(data: bytes, byte: bytes) -> int:
    """Return how often a byte is in the data."""
    if native.extension is None:
        return data.count(byte)
    found: int = native.extension.byte_count(data, byte[0])
    return found


def count_records(data: bytes) -> int:
    """Return the number of records in whole lines."""
    return count_byte(data, b"\n") + (not data.endswith(b"\n")) if data else 0
