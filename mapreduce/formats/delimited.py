r"""Records of text with any encoding, any delimiter, or with their numbers.

The rule is that of lines (`mapreduce.formats.text`): a record belongs to the byte range that holds
its first byte. A delimiter of several bytes may overlap with itself ("\n\n" in three line
feeds), so where it separates follows from the bytes before. A range reads back to a place that no
delimiter can lie across, and goes on from there: so every cut gives the same records.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mapreduce.errors import TextPlace
from mapreduce.formats.base import ReadRange, RecordBatch
from mapreduce.formats.decoding import Decoder, ordered_name
from mapreduce.formats.limits import LIMITS, Limits, too_long
from mapreduce.formats.text import BATCH_BYTES, TAIL_BYTES
from mapreduce.formats.undecoded import Undecoded
from mapreduce.formats.unpacked import unpacked_text
from mapreduce.input_formats import Text
from mapreduce.input_formats.encodings import encoding_of
from mapreduce.wire.messages import ByteRange

_LOOK_BACK_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Delimiter:
    """The bytes between two records, and the unit at whose multiples alone they can begin."""

    data: bytes
    unit: int = 1

    def find(self, data: bytes | bytearray, start: int, base: int) -> int:
        """Return where it begins first from `start` on, or -1; the data begin at `base`."""
        at = data.find(self.data, start)
        while at >= 0 and (base + at) % self.unit:
            at = data.find(self.data, at + 1)
        return at

    def up(self, position: int) -> int:
        """Return the first multiple of the unit from a position on."""
        return -(-position // self.unit) * self.unit


@dataclass(frozen=True, slots=True)
class Piece:
    """A record's bytes without its delimiter, where it begins, and where the next one does."""

    begin: int
    data: bytes
    stop: int


class DelimitedReader:
    """Records of text. Arguments and errors are those of the `Reader` protocol.

    Args:
        form: encoding, delimiter, and what the key is.
        limits: the longest record.
        lenient: yield a record that is not in the encoding as a `BadRecord`, if errors are strict.
    """

    def __init__(self, form: Text, limits: Limits = LIMITS, *, lenient: bool = False) -> None:
        self._form = form
        self._code = encoding_of(form.encoding)
        self._limits = limits
        self._lenient = lenient
        self.undecoded = Undecoded()

    def batches(self, byte_range: ByteRange, read: ReadRange) -> Iterator[RecordBatch]:
        """Yield batches of records."""
        pieces, name = self._pieces(byte_range, read)
        decoder = Decoder(
            name, self._form.errors, byte_range.source, self.undecoded, lenient=self._lenient
        )
        number, accounted = byte_range.first, 0
        for batch in _batched(pieces):
            start, length = batch[0].begin, batch[-1].stop - batch[0].begin
            if byte_range.compression is not None:  # the first batch accounts for all of its bytes
                start, length = accounted, byte_range.size - accounted
                accounted = byte_range.size
            records = self._records(batch, decoder, byte_range.source_offset, number)
            yield RecordBatch(start, length, records, None, batch[0].begin)
            number += len(batch)
        if byte_range.compression is not None and not accounted:  # it unpacks to nothing
            yield RecordBatch(0, byte_range.size, iter(()))

    def count(self, byte_range: ByteRange, read: ReadRange) -> int:
        """Return the number of records in a byte range."""
        return sum(1 for _ in self._pieces(byte_range, read)[0])

    def _records(
        self, batch: list[Piece], decoder: Decoder, source_offset: int, number: int
    ) -> Iterator[tuple[int, object]]:
        for at, piece in enumerate(batch, number + 1):
            offset = piece.begin + source_offset
            text = decoder.text(piece.data, offset)
            if self._form.delimiter is None and isinstance(text, str):
                text = text.removesuffix("\r")
            yield at if self._form.number else offset, text

    def _pieces(self, byte_range: ByteRange, read: ReadRange) -> tuple[Iterator[Piece], str]:
        """Return the records of a byte range, and the encoding with its byte order."""
        unpacked: Iterator[bytes] | None = None
        if byte_range.compression is not None:
            unpacked = unpacked_text(
                read(0, byte_range.size),
                byte_range.compression,
                byte_range.source,
                self._limits,
                self._code,
            )
        name = self._form.encoding
        if self._code.mark_bytes:
            # every range looks at the file's first bytes, which tell its byte order
            if unpacked is None:
                end = min(self._code.mark_bytes, byte_range.size)
                head = b"".join(read(0, end)) if end else b""
            else:
                head, unpacked = _peeked(unpacked, self._code.mark_bytes)
            name = ordered_name(self._code, head, byte_range.source)
        delimiter = Delimiter(
            self._code.delimiter(self._form.delimiter or "\n", name), self._code.unit
        )
        cut = Cut(delimiter, self._limits.record_bytes, byte_range)
        if unpacked is not None:
            return cut.pieces(unpacked, 0), name
        return cut.owned(read), name


def numbered(pieces: list[ByteRange], read: ReadRange, limits: Limits) -> list[ByteRange]:
    """Return the byte ranges of one object with the number of records before each.

    Reads the object once.
    """
    done: list[ByteRange] = []
    first = 0
    for byte_range in pieces:
        assert isinstance(byte_range.format, Text)
        done.append(byte_range.model_copy(update={"first": first}))
        if len(done) < len(pieces):
            first += DelimitedReader(byte_range.format, limits).count(byte_range, read)
    return done


@dataclass(frozen=True, slots=True)
class Cut:
    """Cuts the bytes of an object into records."""

    delimiter: Delimiter
    limit_bytes: int
    byte_range: ByteRange

    def owned(self, read: ReadRange) -> Iterator[Piece]:
        """Yield the records whose first byte lies in the byte range."""
        given = self.byte_range
        start = self.delimiter.up(given.start)
        end = given.size if given.end == given.size else self.delimiter.up(given.end)
        if start >= end:
            return
        base = _certain(read, self.delimiter, start, given.size) if start else 0
        for piece in self.pieces(_onward(read, base, end, given.size), base):
            if start <= piece.begin < end:
                yield piece
            if piece.stop >= end:
                return

    def pieces(self, blocks: Iterator[bytes], base: int) -> Iterator[Piece]:
        """Yield the records of blocks that begin at `base`; unless that is 0, the first is cut."""
        held = bytearray()
        scanned = 0
        size = len(self.delimiter.data)
        for block in blocks:
            held += block
            begin = 0
            while (found := self.delimiter.find(held, scanned, base)) >= 0:
                stop = scanned = found + size
                yield Piece(base + begin, bytes(held[begin:found]), base + stop)
                begin = stop
            # a delimiter may begin in this block and end in the next
            scanned = max(scanned, len(held) - size + 1, begin)
            del held[:begin]
            base, scanned = base + begin, scanned - begin
            if len(held) > self.limit_bytes:
                raise self._too_long(base, bytes(held[:TAIL_BYTES]))
        if held:
            yield Piece(base, bytes(held), base + len(held))

    def _too_long(self, at: int, start: bytes) -> Exception:
        given = self.byte_range
        return too_long(
            "a record",
            self.limit_bytes,
            "Is the delimiter right? Read the file with WholeFile() if it is one record",
            place=TextPlace(given.source, at + given.source_offset),
            start=start,
        )


def _certain(read: ReadRange, delimiter: Delimiter, start: int, size: int) -> int:
    """Return a place before `start` from which on the delimiters can be found one after another.

    No bytes of a delimiter lie on both sides of it, and one that ends at `start` lies behind it.
    """
    length, look = len(delimiter.data), _LOOK_BACK_BYTES
    while True:
        place = start - length
        low = max(0, delimiter.up(place - look))
        data = b"".join(read(low, min(start + length, size)))
        for at in reversed(list(_all(delimiter, data, low))):
            # every place between the begin of this one and the last place lies within it
            if at < place < at + length:
                place = at
        # what begins before the bytes that were read may reach this far
        if place >= low + length or low == 0:
            return max(0, place)
        look *= 4


def _all(delimiter: Delimiter, data: bytes, base: int) -> Iterator[int]:
    """Yield where the delimiter's bytes begin, also inside one another."""
    at = delimiter.find(data, 0, base)
    while at >= 0:
        yield base + at
        at = delimiter.find(data, at + 1, base)


def _onward(read: ReadRange, start: int, end: int, size: int) -> Iterator[bytes]:
    """Yield the bytes of [start, end), then those behind it, read in growing steps."""
    yield from read(start, end)
    at, length = end, TAIL_BYTES
    while at < size:
        stop = min(at + length, size)
        yield from read(at, stop)
        at, length = stop, min(length * 4, 64 << 20)


def _batched(pieces: Iterator[Piece]) -> Iterator[list[Piece]]:
    batch: list[Piece] = []
    for piece in pieces:
        batch.append(piece)
        if piece.stop - batch[0].begin >= BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _peeked(blocks: Iterator[bytes], length: int) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes of blocks, and all blocks again."""
    head = b""
    while len(head) < length and (block := next(blocks, b"")):
        head += block

    def again() -> Iterator[bytes]:
        if head:
            yield head
        yield from blocks

    return head, again()
