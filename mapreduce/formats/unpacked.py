"""Decompress text as a stream, and refuse what is certainly not text."""

from __future__ import annotations

from collections.abc import Iterator

from mapreduce.formats.compression import decompressed
from mapreduce.formats.limits import LIMITS, Limits
from mapreduce.formats.signatures import HEAD_BYTES, TAIL_BYTES, Ends, refuse_what_is_no_text
from mapreduce.input_formats import Compression


def unpacked_text(
    blocks: Iterator[bytes], compression: Compression, name: str, limits: Limits = LIMITS
) -> Iterator[bytes]:
    """Yield the decompressed text; arguments as `decompressed`, and the limits of the task.

    Raises:
        RecordError: as `decompressed`; or the decompressed bytes are not text, as an archive, or
            are compressed again.
    """
    unpacked = decompressed(blocks, compression, name, limits.window_bytes)
    held: list[bytes] = []
    length = 0
    ended = True
    for block in unpacked:
        held.append(block)
        length += len(block)
        if length >= HEAD_BYTES:
            ended = False
            break
    start = b"".join(held)
    # while the stream continues, its end and its size are unknown
    ends = Ends(start, start[-TAIL_BYTES:], length) if ended else Ends(start[:HEAD_BYTES])
    refuse_what_is_no_text(ends, name, compression)
    if start:
        yield start
    yield from unpacked
