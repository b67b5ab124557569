"""Compressed input: recognised by its first bytes, decompressed as a stream.

Damage is an error, and so are bytes after a member that are not a member: the standard library's
file objects take those for the end of the file, so this module drives the decompressors itself.
"""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

from mapreduce.errors import RecordError
from mapreduce.formats.compression_headers import dictionary_of, memory_bytes
from mapreduce.formats.limits import WINDOW_MOST_BYTES
from mapreduce.formats.zstd import zstd
from mapreduce.input_formats import Compression

MAGIC_BYTES = 10
"""How many of an object's first bytes identify its compression."""

_STEP_BYTES = 64 << 10
"""Bytes fed to a decompressor at once: it copies its unused input when a member ends."""

_XZ_BESIDE_BYTES = 1 << 20
"""Memory of the xz decoder beside the window."""
_UNPACKED_BYTES = 1 << 20
"""The longest decompressed block, whatever the compression ratio."""

_HEADER_BYTES = 1 << 10
"""How many of a member's first bytes are kept, to report what it needs."""

_LEAST_BYTES = 4
"""Shortest prefix of a signature that identifies a truncated object."""

_MAGIC: tuple[tuple[re.Pattern[bytes], Compression], ...] = (
    (re.compile(rb"\x1f\x8b"), "gzip"),
    # after the level come the first digits of pi (a block), or of its root (an empty stream)
    (re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"), "bzip2"),
    (re.compile(rb"\xfd7zXZ\x00"), "xz"),
    (re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), "zstd"),
)
_BZIP2 = [b"BZh%d" % level + end for level in range(1, 10) for end in (b"1AY&SY", b"\x17rE8P\x90")]
_CUT: dict[Compression, list[bytes]] = {"bzip2": _BZIP2, "xz": [b"\xfd7zXZ\x00"]}
_SMALLER: dict[Compression, str] = {
    "zstd": "without --long, e.g. `zstd -d --long=31 < FILE | zstd > NEW.zst`",
    "xz": "with a smaller dictionary, e.g. `xz -dc FILE | xz -9 > NEW.xz`",
}


class _Member(Protocol):
    """Decompresses one member; all decompressors of the standard library but zlib's have this
    interface.
    """

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /, max_length: int = -1) -> bytes: ...


class _GzipMember:
    """zlib's decompressor with the interface of the others; it checks a member's length and CRC.

    It never holds back output alone: it takes a member's last 8 bytes only when all output before
    them has been returned.
    """

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._held = b""

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._held

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, /, max_length: int = -1) -> bytes:
        unpacked = self._zlib.decompress(self._held + data, max_length)
        self._held = self._zlib.unconsumed_tail
        return unpacked


def _xz_member(memory_bytes: int) -> _Member:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=memory_bytes + _XZ_BESIDE_BYTES)


def _zstd_member(memory_bytes: int) -> _Member:
    return zstd.ZstdDecompressor(
        options={zstd.DecompressionParameter.window_log_max: memory_bytes.bit_length() - 1}
    )


_MEMBERS: dict[Compression, Callable[[int], _Member]] = {
    "gzip": lambda _memory_bytes: _GzipMember(),
    "bzip2": lambda _memory_bytes: bz2.BZ2Decompressor(),
    "xz": _xz_member,
    "zstd": _zstd_member,
}
"""Makes the decompressor of a member, with a limit on its memory."""
_PADDING: dict[Compression, int] = {"gzip": 1, "xz": 4}
"""The multiple of zero bytes that may follow a member; others allow none."""


def compression_of(head: bytes, *, cut: bool = False) -> Compression | None:
    """Return the compression that an object's first bytes identify, or None.

    Args:
        head: the first `MAGIC_BYTES`.
        cut: the object has no more bytes; one truncated within its signature is then recognised by
            the prefix.
    """
    for magic, compression in _MAGIC:
        if magic.match(head):
            return compression
    if cut and _LEAST_BYTES <= len(head) < MAGIC_BYTES:
        for compression, signatures in _CUT.items():
            if any(signature.startswith(head) for signature in signatures):
                return compression
    return None


def decompressed(
    blocks: Iterator[bytes],
    compression: Compression,
    name: str,
    memory_bytes: int = WINDOW_MOST_BYTES,
) -> Iterator[bytes]:
    """Yield the decompressed bytes of an object in blocks: all its members or frames in sequence.

    Args:
        blocks: the object's bytes.
        compression: how they are compressed.
        name: identifies the object in errors.
        memory_bytes: memory limit, a power of two: data of `xz -9` needs 65 MiB, of `zstd --long`
            128 MiB.

    Raises:
        RecordError: the bytes are damaged, end early, or need a dictionary or more memory.
    """
    unpacking = _Unpacking(compression, name, memory_bytes)
    for block in blocks:
        for at in range(0, len(block), _STEP_BYTES):
            yield from unpacking.unpacked(block[at : at + _STEP_BYTES])
    unpacking.finish()


def needs(
    header: bytes, compression: Compression, limit_bytes: int = WINDOW_MOST_BYTES
) -> str | None:
    """Return what an undamaged member lacks to be decompressed and the next step, or None.

    Args:
        header: the member's first bytes.
        compression: how it is compressed.
        limit_bytes: the memory limit.
    """
    memory = memory_bytes(header, compression)
    if memory > limit_bytes:
        return (
            f"needs a window of {memory >> 20:,} MiB, and the limit{_of_the_task(limit_bytes)} is "
            f"{limit_bytes >> 20} MiB; it is not damaged: compress it again "
            f"{_SMALLER[compression]}"
        )
    if number := dictionary_of(header, compression):
        return (
            f"needs the dictionary {number} that it was compressed with; it is not damaged: "
            "decompress it with `zstd -d -D DICTIONARY`, and use the result as the input"
        )
    return None


def _of_the_task(limit_bytes: int) -> str:
    return "" if limit_bytes == WINDOW_MOST_BYTES else " for the task's memory (--task-memory)"


class _Unpacking:
    """Decompresses one object's members, and tracks the position for errors."""

    def __init__(self, compression: Compression, name: str, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._compression = compression
        self._new_member = partial(_MEMBERS[compression], memory_bytes)
        self._multiple = _PADDING.get(compression, 0)
        self._name = name
        self._member: _Member | None = self._new_member()
        self._read = 0
        self._padding = 0
        self._header = b""

    def unpacked(self, packed: bytes) -> Iterator[bytes]:
        """Yield what the next compressed bytes decompress to."""
        self._read += len(packed)
        while packed:
            if self._member is None:
                packed = self._after_padding(packed)
                if not packed:
                    return
                self._member = self._new_member()
                self._header = b""
            member = self._member
            # kept for `needs`: a failed decompressor does not tell what it lacked
            self._header += packed[: _HEADER_BYTES - len(self._header)]
            if unpacked := self._step(member, packed):
                yield unpacked
            # drain the output, which the limit on a block holds back, before the next input
            while not member.needs_input and not member.eof:
                if unpacked := self._step(member, b""):
                    yield unpacked
            packed = b""
            if member.eof:
                # the rest of the block belongs to the padding, or to the next member
                packed = member.unused_data
                self._member = None

    def finish(self) -> None:
        """Check that the object ends with a complete member."""
        if self._member is not None:
            raise self._error("ends early: it was cut off; write it again from its source")
        if self._multiple and self._padding % self._multiple:
            raise self._error(
                f"ends with {self._padding} zero bytes, an invalid padding; write it again"
            )

    def _after_padding(self, packed: bytes) -> bytes:
        if not self._multiple:
            return packed
        rest = packed.lstrip(b"\x00")
        self._padding += len(packed) - len(rest)
        if rest:
            if self._padding % self._multiple:
                raise self._error(
                    f"has {self._padding} zero bytes between its members; write it again"
                )
            self._padding = 0
        return rest

    def _step(self, member: _Member, packed: bytes) -> bytes:
        try:
            return member.decompress(packed, max_length=_UNPACKED_BYTES)
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zstd.ZstdError) as exc:
            needed = needs(self._header, self._compression, self._memory_bytes)
            raise self._error(
                needed or f"is damaged ({exc}); write it again from its source"
            ) from exc

    def _error(self, cause: str) -> RecordError:
        return RecordError(
            f"{self._name}: the {self._compression} data {cause}",
            place=f"{self._name} at or before compressed byte {self._read}",
        )
