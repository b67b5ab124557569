"""What the split stage has to find out of an input before it can be cut: compression, and CSV's header and quotes.

What is certainly no text is refused here, before any of it is mapped.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from mapreduce.errors import InputChanged
from mapreduce.formats.base import ReadRange
from mapreduce.formats.compression import compression_of
from mapreduce.formats.limits import Limits
from mapreduce.formats.signatures import HEAD_BYTES, TAIL_BYTES, Ends, refuse_what_is_no_text
from mapreduce.input_formats import Compression
from mapreduce.storage import Storage
from mapreduce.storage.base import AHEAD
from mapreduce.wire.messages import InputObject, Piece

_UNPACKED = frozenset({"text", "jsonl", "csv", "whole"})
"""The formats that may lie compressed; Parquet and pairs compress inside."""
_TOLD_BY_THE_END = (b"PAR1", b"PARE", b"ORC")


def look_at(given: InputObject, storage: Storage) -> Compression | None:
    """An input's compression, by its first bytes.

    Raises:
        ObjectMissing: it is gone.
        InputChanged: it is not the one that the run was given.
        RecordError: it should be text, and certainly is none.
    """
    if not given.size or given.format.kind not in _UNPACKED:
        found = storage.head(given.url)
        if (found.etag, found.size) != (given.etag, given.size):
            raise InputChanged(
                f"{given.url} has changed since the run was planned; run again to take it as it is now"
            )
        return None
    head = storage.read(given.url, 0, min(HEAD_BYTES, given.size), etag=given.etag)
    compression = compression_of(head, cut=len(head) == given.size)
    if compression is None and given.format.kind != "whole":
        refuse_what_is_no_text(_ends(given, head, storage), given.url)
    return compression


def _ends(given: InputObject, head: bytes, storage: Storage) -> Ends:
    """The ends of an input; the last bytes are read only where the first leave it open what it is."""
    tail = b""
    if head.startswith(_TOLD_BY_THE_END):
        start = max(0, given.size - TAIL_BYTES)
        tail = storage.read(given.url, start, given.size, etag=given.etag)
    return Ends(head, tail, given.size)


def cuttable(given: InputObject, compression: Compression | None) -> bool:
    """Whether the input's records can be read from the middle on."""
    return compression is None and given.format.kind != "whole"


def marked(pieces: Sequence[Piece], storage: Storage, limits: Limits) -> tuple[Piece, ...]:
    """The pieces with what must be known of what lies before them; the others as they are."""
    done: list[Piece] = []
    for _, group in groupby(pieces, lambda piece: (piece.url, piece.etag, piece.name)):
        of_one = list(group)
        if of_one[0].format.kind == "csv":
            from mapreduce.formats import separated

            of_one = separated.marked(of_one, _range_of(of_one[0], storage), limits)
        done += of_one
    return tuple(done)


def _range_of(piece: Piece, storage: Storage) -> ReadRange:
    return lambda start, end: storage.stream(piece.url, start, end, etag=piece.etag, ahead=AHEAD)
