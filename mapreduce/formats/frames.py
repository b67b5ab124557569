"""The shuffle's file format: sorted pairs in frames, each with a count and a checksum.

A block is a sequence of frames. A frame is a header (little-endian: magic, kind, number of pairs,
raw length, stored length, then the xxh3_64 of all these and of the stored bytes) and a payload
compressed with Zstandard: the keys' lengths, then for kind ENCODED the values' lengths, then all
keys, then all values. In kind INTEGERS a value is 8 bytes.
Columns, not rows: Python joins and slices them without a step for each pair, and DuckDB reads the
same bytes as Arrow buffers.
"""

from __future__ import annotations

import struct
import sys
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from operator import gt
from typing import BinaryIO, cast

import xxhash

from mapreduce import native
from mapreduce.encoding import encode_value
from mapreduce.errors import CorruptBlock, UserCodeError
from mapreduce.formats.zstd import zstd

MAGIC = b"MRF1"
ENCODED, INTEGERS = 0, 1
FRAME_PAIRS = 4096
FRAME_BYTES = 256 << 10
CHECKSUM_MODULO = 1 << 64
PAIR_BYTES = 256 << 20
"""The longest pair. A reader never decompresses more, whatever a header announces."""
_PAYLOAD_BYTES = PAIR_BYTES + FRAME_BYTES
_WINDOW_LOG = 27
"""The longest window that zstd uses by default."""

_HEAD = struct.Struct("<4sBIII")
_CHECKSUM = struct.Struct("<Q")
HEADER_BYTES = _HEAD.size + _CHECKSUM.size
# the fastest level: a block is written and read about once
_LEVEL = 1
_LEAST_BYTES = {ENCODED: 8, INTEGERS: 12}
"""Bytes of a pair in a payload beside its key and its encoded value."""

PackedPair = tuple[bytes, "int | bytes"]
"""An encoded key, and a value as `pack_value` returns it."""

RawFrame = tuple[int, int, bytes]
"""A frame as its payload: kind, number of pairs, payload."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Some neighbouring pairs of a block, as two columns of one length."""

    keys: list[bytes]
    values: Sequence[int | bytes]


class FrameSink(ABC):
    """Takes sorted pairs, frame by frame."""

    __slots__ = ()

    @abstractmethod
    def write_frames(self, frames: Iterable[RawFrame]) -> None:
        """Append frames, which must come in key order."""

    @abstractmethod
    def start_over(self) -> None:
        """Discard what was written."""

    def write(self, pairs: Iterable[PackedPair]) -> None:
        """Append pairs, which must come in key order."""
        keys: list[bytes] = []
        values: list[int | bytes] = []
        size = 0
        for key, value in pairs:
            keys.append(key)
            values.append(value)
            size += len(key) + (8 if type(value) is int else len(value))  # type: ignore[arg-type]
            if size >= FRAME_BYTES or len(keys) >= FRAME_PAIRS:
                self.write_frames([_frame(keys, values)])
                keys, values, size = [], [], 0
        if keys:
            self.write_frames([_frame(keys, values)])


def _frame(keys: list[bytes], values: list[int | bytes]) -> RawFrame:
    lengths = array("I", map(len, keys))
    # `type() is`, because bool is a subclass of int and must stay a bool
    if all(type(value) is int for value in values):
        return (
            INTEGERS,
            len(keys),
            b"".join([lengths.tobytes(), *keys, array("q", cast("list[int]", values)).tobytes()]),
        )
    encoded = [encode_value(value) if type(value) is int else value for value in values]
    value_lengths = array("I", map(len, encoded))  # type: ignore[arg-type]
    return (
        ENCODED,
        len(keys),
        b"".join([lengths.tobytes(), value_lengths.tobytes(), *keys, *encoded]),  # type: ignore[list-item]
    )


@dataclass(slots=True)
class BlockWriter(FrameSink):
    """Writes one block's frames, and keeps its count, length and checksum.

    The checksum is the sum of its frames' hashes, so it does not depend on the order in which they
    are read.
    """

    file: BinaryIO
    records: int = 0
    length: int = 0
    checksum: int = 0
    integers: bool = True
    # one for all frames: its construction costs more than the compression of a frame
    compressor: zstd.ZstdCompressor = field(default_factory=lambda: zstd.ZstdCompressor(_LEVEL))

    def write_frames(self, frames: Iterable[RawFrame]) -> None:
        """Append frames, which must come in key order."""
        for kind, pairs, payload in frames:
            if len(payload) > _PAYLOAD_BYTES:
                raise _too_long((kind, pairs, payload))
            # each frame is a whole zstd frame, so that a reader can start at any of them
            stored = self.compressor.compress(payload, zstd.ZstdCompressor.FLUSH_FRAME)
            head = _HEAD.pack(MAGIC, kind, pairs, len(payload), len(stored))
            checksum = xxhash.xxh3_64_intdigest(head + stored)
            self.file.writelines((head, _CHECKSUM.pack(checksum), stored))
            self.records += pairs
            self.length += HEADER_BYTES + len(stored)
            self.checksum = (self.checksum + checksum) % CHECKSUM_MODULO
            self.integers = self.integers and kind == INTEGERS

    def start_over(self) -> None:
        """Discard what was written; the file must be seekable."""
        # the file may hold earlier blocks, which stay
        self.file.seek(self.file.tell() - self.length)
        self.file.truncate()
        self.records = self.length = self.checksum = 0
        self.integers = True


@dataclass(slots=True)
class BlockReader:
    """Reads and checks one block's frames, and keeps count and checksum of those read so far.

    Args:
        file: open at the block's first byte.
        length: bytes in the block.
        name: identifies the block in errors.
        ordered: the keys must ascend, as in the shuffle; the pairs between steps of a chain need
            not.
    """

    file: BinaryIO
    length: int
    name: str
    ordered: bool = True
    records: int = 0
    checksum: int = 0

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in order.

        Raises:
            CorruptBlock: a byte is not as it was written.
        """
        return map(columns, self.raw_frames())

    def raw_frames(self) -> Iterator[RawFrame]:
        """Yield the same frames as payloads."""
        left = self.length
        last: bytes | None = None
        while left:
            header = self.file.read(HEADER_BYTES)
            if len(header) != HEADER_BYTES:
                raise CorruptBlock(f"{self.name} ends {left} bytes early")
            # the length comes from a header not yet checked, so it is limited by the block before
            # the read
            stored_length = stored_bytes(header)
            if stored_length is None or HEADER_BYTES + stored_length > left:
                raise CorruptBlock(
                    f"{self.name} holds no frame where one should begin, "
                    f"{left} bytes before its end"
                )
            frame = raw_frame(header, self.file.read(stored_length))
            if frame is None:
                raise CorruptBlock(
                    f"{self.name}: a frame's checksum or length is wrong, "
                    f"{left} bytes before its end"
                )
            found = last_key(frame, last if self.ordered else None, ordered=self.ordered)
            if found is None:
                raise CorruptBlock(
                    f"{self.name}: a frame's lengths or the order of its keys is wrong, "
                    f"{left} bytes before its end"
                )
            last = found
            left -= HEADER_BYTES + stored_length
            self.records += frame[1]
            self.checksum = (self.checksum + _checksum(header)) % CHECKSUM_MODULO
            yield frame


def stored_bytes(header: bytes) -> int | None:
    """Return how many bytes follow a frame's header, or None if it is not a frame's header."""
    magic, _, _, _, stored_length = _HEAD.unpack_from(header)
    return stored_length if magic == MAGIC else None


def parse_frame(header: bytes, stored: bytes) -> Frame | None:
    """Return the frame of a header and the bytes after it, or None if a byte has changed."""
    raw = raw_frame(header, stored)
    return columns(raw) if raw and last_key(raw, None, ordered=False) is not None else None


def raw_frame(header: bytes, stored: bytes) -> RawFrame | None:
    """Return the same frame as its payload, or None.

    Decompresses no more than the header announces, and never more than the limit.
    """
    # the checksum first: no field of a damaged header is used
    if xxhash.xxh3_64_intdigest(header[: _HEAD.size] + stored) != _checksum(header):
        return None
    _, kind, pairs, length, _ = _HEAD.unpack_from(header)
    if kind not in _LEAST_BYTES or not 0 < pairs <= FRAME_PAIRS:
        return None
    if not _LEAST_BYTES[kind] * pairs <= length <= _PAYLOAD_BYTES:
        return None
    payload = _unpacked(stored, length)
    return None if payload is None else (kind, pairs, payload)


def _unpacked(stored: bytes, length: int) -> bytes | None:
    """Return the decompressed payload, or None if it does not have `length` bytes."""
    # one byte more than announced tells a longer payload from an exact one
    decompressor = zstd.ZstdDecompressor(
        options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}
    )
    try:
        # at most one byte more: a forged frame must not fill the memory
        payload = decompressor.decompress(stored, max_length=length + 1)
    except (zstd.ZstdError, EOFError):
        return None
    whole = decompressor.eof and not decompressor.unused_data and len(payload) == length
    return payload if whole else None


def last_key(frame: RawFrame, previous: bytes | None, *, ordered: bool = True) -> bytes | None:
    """Return a frame's last key, or None if its lengths do not add up or its keys do not ascend.

    Args:
        frame: the frame.
        previous: the key before the frame's first, if there is one.
        ordered: the keys must ascend.
    """
    if ordered and native.extension is not None:
        found: bytes | None = native.extension.last_key(frame, previous)
        return found
    kind, pairs, payload = frame
    # all length fields at once: of the keys, and in kind ENCODED of the values too
    lengths = array("I", payload[: (_LEAST_BYTES[kind] - 8 * (kind == INTEGERS)) * pairs])
    if sum(lengths) + 4 * len(lengths) + 8 * pairs * (kind == INTEGERS) != len(payload):
        return None
    keys = columns(frame).keys
    # each key against its predecessor, in C loops: `gt` over two shifted columns
    if ordered and any(map(gt, [keys[0] if previous is None else previous, *keys], keys)):
        return None
    return keys[-1]


def _too_long(frame: RawFrame) -> UserCodeError:
    payload = frame[2]
    key = repr(first_key(frame)[:60])
    return UserCodeError(
        f"a pair of {len(payload) >> 20:,} MiB is too long: a key and its value may have "
        f"{PAIR_BYTES >> 20} MiB together; yield several smaller values "
        f"(the key begins with {key})"
    )


def first_key(frame: RawFrame) -> bytes:
    """Return a frame's first key."""
    kind, pairs, payload = frame
    at = 4 * pairs if kind == INTEGERS else 8 * pairs
    return payload[at : at + int.from_bytes(payload[:4], sys.byteorder)]


def integers_of(frame: RawFrame) -> array[int]:
    """Return the values of a frame of INTEGERS kind."""
    _, pairs, payload = frame
    return array("q", payload[len(payload) - 8 * pairs :])


def _checksum(header: bytes) -> int:
    found: int = _CHECKSUM.unpack_from(header, _HEAD.size)[0]
    return found


def columns(frame: RawFrame) -> Frame:
    """Return a frame's keys and values."""
    kind, pairs, payload = frame
    lengths = array("I", payload[: 4 * pairs])
    if kind == INTEGERS:
        return Frame(_slices(payload, 4 * pairs, lengths), integers_of(frame).tolist())
    value_lengths = array("I", payload[4 * pairs : 8 * pairs])
    keys_at = 8 * pairs
    return Frame(
        _slices(payload, keys_at, lengths), _slices(payload, keys_at + sum(lengths), value_lengths)
    )


def _slices(payload: bytes, start: int, lengths: array[int]) -> list[bytes]:
    return [payload[begin:end] for begin, end in pairwise(accumulate(lengths, initial=start))]
