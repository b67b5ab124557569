"""Compressed text as it comes: what it unpacks to, refused where that is certainly no text."""

from __future__ import annotations

from collections.abc import Iterator

from mapreduce.formats.compression import decompressed
from mapreduce.formats.limits import LIMITS, Limits
from mapreduce.formats.signatures import HEAD_BYTES, TAIL_BYTES, Ends, refuse_what_is_no_text
from mapreduce.input_formats import Compression


def unpacked_text(
    blocks: Iterator[bytes], compression: Compression, name: str, limits: Limits = LIMITS
) -> Iterator[bytes]:
    """What compressed text unpacks to; arguments are those of `decompressed`, and the limits of the task.

    Raises:
        RecordError: as `decompressed` does; or it unpacks to what is no text, as an archive, or to data that are
            compressed once more.
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
    # of a stream that goes on, the end and the size are not known
    ends = Ends(start, start[-TAIL_BYTES:], length) if ended else Ends(start[:HEAD_BYTES])
    refuse_what_is_no_text(ends, name, compression)
    if start:
        yield start
    yield from unpacked
