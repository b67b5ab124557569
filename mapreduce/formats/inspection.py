"""Inspect inputs before they are cut: their compression, CSV's header and quotes, line numbers.

Input that is certainly not text is refused here, before any of it is mapped.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from mapreduce.errors import InputChanged
from mapreduce.formats.base import ReadRange
from mapreduce.formats.compression import compression_of
from mapreduce.formats.fixed import check_length
from mapreduce.formats.limits import Limits
from mapreduce.formats.signatures import HEAD_BYTES, TAIL_BYTES, Ends, refuse_what_is_no_text
from mapreduce.input_formats import Compression, Csv, FixedLength, JsonLines, Text
from mapreduce.input_formats.encodings import encoding_of
from mapreduce.storage import Storage
from mapreduce.storage.base import AHEAD
from mapreduce.wire.messages import ByteRange, InputObject

_UNPACKED = frozenset({"text", "jsonl", "csv", "whole", "values", "fixed", "warc", "own", "avro"})
"""The formats that may be compressed from outside; Parquet and pairs compress inside."""
_TOLD_BY_THE_END = (b"PAR1", b"PARE", b"ORC")


def look_at(given: InputObject, storage: Storage) -> Compression | None:
    """Return an input's compression, by its first bytes.

    Raises:
        ObjectMissing: the input does not exist.
        InputChanged: it has changed since the run was planned.
        RecordError: it should be text, and certainly is not.
    """
    # an empty object has no first bytes, and Parquet and pairs check their own: one HEAD is enough
    if not given.size or given.format.kind not in _UNPACKED:
        found = storage.head(given.url)
        if (found.etag, found.size) != (given.etag, given.size):
            raise InputChanged.since_planning(given.url)
        return None
    head = storage.read(given.url, 0, min(HEAD_BYTES, given.size), etag=given.etag)
    compression = compression_of(head, cut=len(head) == given.size)
    form = given.format
    if compression is None and isinstance(form, Text | JsonLines | Csv):
        code = encoding_of(form.encoding)
        refuse_what_is_no_text(_ends(given, head, storage), given.url, encoding=code)
    if compression is None and isinstance(form, FixedLength):
        check_length(given.size, form.length, given.url)
    return compression


def _ends(given: InputObject, head: bytes, storage: Storage) -> Ends:
    """Return the ends of an input; the last bytes are read only if the first do not decide."""
    tail = b""
    if head.startswith(_TOLD_BY_THE_END):
        # only these formats have a signature at the end, so other inputs cost one request
        start = max(0, given.size - TAIL_BYTES)
        tail = storage.read(given.url, start, given.size, etag=given.etag)
    return Ends(head, tail, given.size)


def cuttable(given: InputObject, compression: Compression | None) -> bool:
    """Return whether the input's records can be read from any byte on."""
    return compression is None and given.format.is_cut


def marked(pieces: Sequence[ByteRange], storage: Storage, limits: Limits) -> tuple[ByteRange, ...]:
    """Return the byte ranges with the state at their start, if their format needs one."""
    done: list[ByteRange] = []
    # one pass over each object marks all of its byte ranges
    for _, group in groupby(
        pieces, lambda byte_range: (byte_range.url, byte_range.etag, byte_range.name)
    ):
        of_one = list(group)
        if of_one[0].format.kind == "csv":
            from mapreduce.formats import separated

            of_one = separated.marked(of_one, _range_of(of_one[0], storage), limits)
        elif isinstance(form := of_one[0].format, Text) and form.number:
            from mapreduce.formats.delimited import numbered

            of_one = numbered(of_one, _range_of(of_one[0], storage), limits)
        done += of_one
    return tuple(done)


def _range_of(byte_range: ByteRange, storage: Storage) -> ReadRange:
    return lambda start, end: storage.stream(
        byte_range.url, start, end, etag=byte_range.etag, ahead=AHEAD
    )
