"""Text lines: which of them belong to a byte range, and how their bytes become text.

Hadoop's rule (TextInputFormat): a record belongs to the range in which its first byte lies, however long it is. So a
range starts at the first record that begins in it and ends with the record that its end cuts, and the ranges of an
object, laid side by side, hold each record once, wherever they are cut.

A record ends with a line feed, which may have a carriage return before it; the last one may have neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

BOM = b"\xef\xbb\xbf"
REPLACEMENT = "�"
_REPLACEMENT_BYTES = REPLACEMENT.encode()
TAIL_BYTES = 64 << 10

ReadRange = Callable[[int, int], Iterator[bytes]]
"""The bytes [start, end) of one object, in blocks of any length."""


def owned_blocks(read: ReadRange, start: int, end: int, size: int) -> Iterator[tuple[int, bytes]]:
    """The records whose first byte lies in [start, end), as blocks of whole records.

    Args:
        read: reads a range of the object.
        start: first byte of the range.
        end: byte after the range's last.
        size: bytes in the object.

    Yields:
        (position of the block in the object, its bytes); all but the object's last record end with a line feed.
    """
    if start >= end:
        return
    position = start
    if start:
        # the byte before the range tells whether a record begins with it
        position -= 1
    skipping = start > 0
    held: list[
        bytes
    ] = []  # the bytes since the last line feed: a list, so that a long line costs no more than its length
    held_at = position
    for block in read(position, end):
        at, position = position, position + len(block)
        if skipping:
            feed = block.find(b"\n")
            if feed < 0:
                continue
            skipping = False
            at, block = at + feed + 1, block[feed + 1 :]
            held_at = at
        last_feed = block.rfind(b"\n")
        if last_feed < 0:
            if block:
                held.append(block)
            continue
        yield held_at, b"".join([*held, block[: last_feed + 1]])
        rest = block[last_feed + 1 :]
        held, held_at = ([rest] if rest else []), at + last_feed + 1
    if held:
        held += _to_line_feed(read, end, size)
        yield held_at, b"".join(held)


def _to_line_feed(read: ReadRange, start: int, size: int) -> Iterator[bytes]:
    """The bytes from `start` up to and with the next line feed; asks for little first, then for ever more."""
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
    """Turns blocks of whole records into lines of text, and counts what was not UTF-8.

    Attributes:
        invalid: how many U+FFFD stand for bytes that were not UTF-8.
    """

    def __init__(self) -> None:
        self.invalid = 0

    def lines(self, position: int, block: bytes, offset: int = 0) -> Iterator[tuple[int, str]]:
        """Each record of the block.

        Args:
            position: the block's position in its object.
            block: bytes of whole records.
            offset: what is added to a position for the record's offset.

        Yields:
            (byte offset of the record, its text without its line end, and without a byte order mark at offset 0).
        """
        at = position + offset
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
                text = line.decode("utf-8", "replace")
                self.invalid += text.count(REPLACEMENT) - line.count(_REPLACEMENT_BYTES)
            yield at, text
            at += len(raw) + 1
