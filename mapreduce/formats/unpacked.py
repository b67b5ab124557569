"""Text that is read as one stream: decompressed, and converted to UTF-8; what is certainly not text
is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mapreduce.formats.base import ReadRange
from mapreduce.formats.compression import decompressed
from mapreduce.formats.limits import LIMITS, Limits
from mapreduce.formats.signatures import HEAD_BYTES, TAIL_BYTES, Ends, refuse_what_is_no_text
from mapreduce.input_formats import Compression
from mapreduce.input_formats.encodings import UTF_8, Encoding
from mapreduce.wire.messages import ByteRange


def streamed(
    byte_range: ByteRange,
    read: ReadRange,
    limits: Limits,
    *,
    encoding: Encoding = UTF_8,
    transcode: Callable[[Iterator[bytes]], Iterator[bytes]] | None = None,
) -> Iterator[bytes] | None:
    """Return the whole text of an object that can only be read from its start; else None.

    Args:
        byte_range: the whole object.
        read: reads a range of it.
        limits: of the task.
        encoding: that the text should have.
        transcode: converts it to UTF-8, if that needs the whole file.
    """
    if byte_range.compression is not None:
        blocks = unpacked_text(
            read(0, byte_range.size), byte_range.compression, byte_range.source, limits, encoding
        )
    elif transcode is not None:
        blocks = read(0, byte_range.size)
    else:
        return None
    return blocks if transcode is None else transcode(blocks)


def unpacked_text(
    blocks: Iterator[bytes],
    compression: Compression,
    name: str,
    limits: Limits = LIMITS,
    encoding: Encoding = UTF_8,
) -> Iterator[bytes]:
    """Yield the decompressed text; arguments as `decompressed`, the limits of the task, and the
    encoding that the text should have.

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
    refuse_what_is_no_text(ends, name, compression, encoding)
    if start:
        yield start
    yield from unpacked
