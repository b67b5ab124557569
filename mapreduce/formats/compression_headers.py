"""What the header of compressed data says about decompressing it: memory, and a dictionary.

Parses the headers by their specifications (RFC 8878; the .xz file format 1.2.1), because the
libraries give the reason of a refusal only as text for people.
"""

from __future__ import annotations

from mapreduce.input_formats import Compression

_ZSTD = b"\x28\xb5\x2f\xfd"
_DICTIONARY_BYTES = (0, 1, 2, 4)
_CONTENT_BYTES = (0, 2, 4, 8)
_XZ_HEADER_BYTES = 12
_LZMA2 = 0x21


def memory_bytes(header: bytes, compression: Compression) -> int:
    """Return the length of the window that a member needs in bytes, or 0 if the header does not
    tell.
    """
    try:
        if compression == "zstd":
            return _zstd_window(header)
        return _xz_dictionary(header) if compression == "xz" else 0
    except IndexError:  # the header was cut off
        return 0


def dictionary_of(header: bytes, compression: Compression) -> int:
    """Return the number of the dictionary that a member needs, or 0."""
    if compression != "zstd" or header[:4] != _ZSTD or len(header) < 6:
        return 0
    descriptor = header[4]
    at = 5 + _has_window(descriptor)
    return int.from_bytes(header[at : at + _DICTIONARY_BYTES[descriptor & 3]], "little")


def _has_window(descriptor: int) -> bool:
    """Return whether a frame names its window; else the window is as long as the content."""
    return not descriptor & 0x20


def _zstd_window(header: bytes) -> int:
    if header[:4] != _ZSTD:
        return 0
    descriptor = header[4]
    if _has_window(descriptor):
        base = 1 << (10 + (header[5] >> 3))
        return base + base // 8 * (header[5] & 7)
    at = 5 + _DICTIONARY_BYTES[descriptor & 3]
    return int.from_bytes(header[at : at + (_CONTENT_BYTES[descriptor >> 6] or 1)], "little")


def _xz_dictionary(header: bytes) -> int:
    """Return the dictionary size of the first block's last filter, which is LZMA2."""
    flags = header[_XZ_HEADER_BYTES + 1]
    at = _XZ_HEADER_BYTES + 2
    for has_size in (flags & 0x40, flags & 0x80):
        at = _after_number(header, at) if has_size else at
    for _ in range((flags & 3) + 1):
        kind, at = header[at], _after_number(header, at)
        length, at = header[at], at + 1
        if kind == _LZMA2:
            bits = header[at] & 0x3F
            return (1 << 32) - 1 if bits == 40 else (2 | (bits & 1)) << (bits // 2 + 11)
        at += length
    return 0


def _after_number(header: bytes, at: int) -> int:
    """Return the position after the variable-length number at `at`."""
    while header[at] & 0x80:
        at += 1
    return at + 1
