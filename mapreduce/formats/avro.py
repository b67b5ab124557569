"""Avro's object container files: a header with the schema, then blocks of records.

A block belongs to the byte range that holds its first byte. A range that begins inside a block
finds the next one by the file's sync marker, 16 random bytes behind each block.
"""

from __future__ import annotations

import bz2
import json
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from mapreduce.errors import RecordError, TextPlace
from mapreduce.formats.avro_schema import FAILURES, Decode, Decoders, bytes_at, long_at
from mapreduce.formats.base import ReadRange, RecordBatch
from mapreduce.formats.limits import LIMITS, Limits, too_long
from mapreduce.formats.streams import seekable_stream, whole_stream
from mapreduce.formats.undecoded import Undecoded
from mapreduce.formats.zstd import zstd
from mapreduce.wire.messages import ByteRange

MAGIC = b"Obj\x01"
SYNC_BYTES = 16
_VARINT_BYTES = 10
_HEADER_BYTES = 64 << 10
_HEADER_LIMIT = 16 << 20
_WINDOW_BYTES = 1 << 20


def _inflated(data: bytes, limit: int) -> bytes:
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, limit)


_CODECS: dict[str, Callable[[bytes, int], bytes]] = {
    "null": lambda data, _limit: data,
    "deflate": _inflated,
    "bzip2": lambda data, limit: bz2.BZ2Decompressor().decompress(data, limit),
    "xz": lambda data, limit: lzma.LZMADecompressor().decompress(data, limit),
    "zstandard": lambda data, limit: zstd.ZstdDecompressor().decompress(data, limit),
}


@dataclass(frozen=True, slots=True)
class _Header:
    """What the start of a file says about all of it, and where its first block begins."""

    decode: Decode
    codec: str
    sync: bytes
    end: int


class AvroReader:
    """Records as (block's offset and number in it, value). Arguments and errors are those of the
    `Reader` protocol.

    Args:
        limits: the longest block, unpacked.
    """

    undecoded = Undecoded()

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limit = limits.record_bytes
        self._limits = limits

    def batches(self, byte_range: ByteRange, read: ReadRange) -> Iterator[RecordBatch]:
        """Yield a batch for each block."""
        packed = byte_range.compression is not None
        if packed:
            file = whole_stream(byte_range, read, self._limits)
        else:
            file = seekable_stream(byte_range.size, read)
        header, rest = self._header(file, byte_range.source)
        if packed:
            yield RecordBatch(0, byte_range.size, iter(()))
            end = None
        else:
            if byte_range.start < header.end:
                before = min(byte_range.end, header.end) - byte_range.start
                yield RecordBatch(byte_range.start, before, iter(()))
            end = byte_range.end
        at: int | None = header.end
        if not packed:
            rest = b""
            if byte_range.start > header.end:
                at = _after_sync(file, byte_range.start - SYNC_BYTES, end or 0, header.sync)
            if at is not None:
                file.seek(at)
        while at is not None and (end is None or at < end):
            block = self._block(file, rest, at, header, byte_range.source)
            if block is None:
                return
            length, rest, records = block
            # the first batch of a compressed file accounts for all of its bytes
            start, owned = (byte_range.size, 0) if packed else (at, length)
            yield RecordBatch(start, owned, records)
            at += length

    def _header(self, file: BinaryIO, source: str) -> tuple[_Header, bytes]:
        """Return the header, and the bytes behind it that were read with it."""
        data = b""
        wanted = _HEADER_BYTES
        while True:
            more = file.read(wanted - len(data))
            data += more
            try:
                if not data.startswith(MAGIC):
                    raise ValueError("it does not begin with Obj and 1")
                header = _parsed(data)
                return header, data[header.end :]
            except (*FAILURES, KeyError, TypeError, AttributeError) as exc:
                if not more or wanted >= _HEADER_LIMIT or not data.startswith(MAGIC):
                    raise RecordError(
                        f"{source} is no Avro file: {exc}; check the file, or write another "
                        "input_format",
                        place=source,
                    ) from exc
            wanted *= 4

    def _block(
        self, file: BinaryIO, rest: bytes, at: int, header: _Header, source: str
    ) -> tuple[int, bytes, Iterator[tuple[str, Any]]] | None:
        """Return a block's length, the bytes behind it that were read, and its records."""
        place = TextPlace(source, at)
        head = rest + file.read(max(0, 2 * _VARINT_BYTES - len(rest)))
        if not head:
            return None
        try:
            count, used = long_at(head, 0)
            size, used = long_at(head, used)
        except FAILURES as exc:
            raise _damaged("a block has no length", place) from exc
        if count < 0 or size < 0:
            raise _damaged(f"a block has {count} records in {size} bytes", place)
        if size > self._limit:
            raise too_long("a block", self._limit, "Write shorter blocks", place=place)
        wanted = used + size + SYNC_BYTES
        data = head + file.read(max(0, wanted - len(head)))
        if data[used + size : wanted] != header.sync:
            raise _damaged("a block does not end with the file's sync marker", place)
        records = self._records(data[used : used + size], count, header, at, place)
        return wanted, data[wanted:], records

    def _records(
        self, packed: bytes, count: int, header: _Header, at: int, place: TextPlace
    ) -> Iterator[tuple[str, Any]]:
        try:
            data = _CODECS[header.codec](packed, self._limit + 1)
        except (zlib.error, OSError, EOFError, lzma.LZMAError, zstd.ZstdError) as exc:
            raise _damaged(f"the {header.codec} data of a block is damaged", place) from exc
        if len(data) > self._limit:
            raise too_long("a block, unpacked,", self._limit, "Write shorter ones", place=place)
        position = 0
        for number in range(count):
            try:
                value, position = header.decode(data, position)
            except FAILURES as exc:
                cause = f"record {number} of a block does not have the schema ({exc})"
                raise _damaged(cause, place) from exc
            yield f"{at}:{number}", value
        if position != len(data):
            raise _damaged(f"a block of {count} records holds more than these", place)


def _parsed(data: bytes) -> _Header:
    """Return the header at the start of a file."""
    at, entries = len(MAGIC), dict[str, bytes]()
    while True:
        count, at = long_at(data, at)
        if count < 0:
            _, at = long_at(data, at)
        for _ in range(abs(count)):
            name, at = bytes_at(data, at)
            entries[name.decode("utf-8")], at = bytes_at(data, at)
        if not count:
            break
    sync = data[at : at + SYNC_BYTES]
    if len(sync) < SYNC_BYTES:
        raise ValueError("its header is cut off")
    codec = entries.get("avro.codec", b"null").decode("utf-8")
    if codec not in _CODECS:
        raise ValueError(
            f"its codec {codec!r} cannot be read; write it with one of {', '.join(_CODECS)}"
        )
    return _Header(Decoders().of(json.loads(entries["avro.schema"])), codec, sync, at + SYNC_BYTES)


def _after_sync(file: BinaryIO, start: int, end: int, sync: bytes) -> int | None:
    """Return where the first block from `start` on begins that begins before `end`, or None."""
    at, held = start, b""
    file.seek(start)
    while at < end:
        block = file.read(min(_WINDOW_BYTES, end - at))
        if not block:
            return None
        found = (held + block).find(sync)
        if found >= 0:
            return at - len(held) + found + SYNC_BYTES
        held = (held + block)[-SYNC_BYTES + 1 :]
        at += len(block)
    return None


def _damaged(cause: str, place: TextPlace) -> RecordError:
    return RecordError(f"{cause}: the file is damaged; write it again from its source", place=place)
