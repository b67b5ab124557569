"""Test an author's input format: every way to read a file gives the same records."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from mapreduce.formats.own import OwnReader, records_of
from mapreduce.input_formats import InputFormat, can_be_cut, check_own, of_own
from mapreduce.wire.messages import ByteRange

MOST_CUTS = 2_000
"""Places where a file is cut in two, at most; longer files are cut at places spread over them."""
_SMALL_BLOCKS = (1, 7, 1 << 20)
_URL = "file:///input"
Records = list[tuple[Any, Any]]


def check_format(form: InputFormat, content: bytes) -> None:
    """Test a format on a file: any cut gives each record once, with its key.

    The file is read whole, again, in short reads, compressed, empty, and with `read_range` in two
    parts cut at each byte and in parts of a few bytes.

    Args:
        form: an instance.
        content: an example of a file, with at least one record.

    Raises:
        AssertionError: two ways give different records; the message names them.
        JobLoadError: the class or its options cannot work.
    """
    check_own(form)
    expected = list(records_of(form, form.read(io.BytesIO(content))))
    if not expected:
        raise AssertionError("the content holds no record; give one that does")
    _compare("read a second time", expected, _read(form, content, []))
    for block_bytes in _SMALL_BLOCKS:
        found = _read(form, content, [], block_bytes)
        _compare(f"in reads of {block_bytes:,} bytes", expected, found)
    packed = gzip.compress(content, mtime=0)
    _compare("compressed", expected, _read(form, packed, [], compressed=True))
    if can_be_cut(form):
        empty = list(records_of(form, form.read(io.BytesIO(b""))))
        _compare("without a byte, which is in no split,", [], empty)
        step = max(1, len(content) // MOST_CUTS)
        for cut in range(1, len(content), step):
            _compare(f"cut at byte {cut:,}", expected, _read(form, content, [cut]))
        for length in (1, 3, 100):
            if len(content) <= MOST_CUTS * length:
                cuts = list(range(length, len(content), length))
                _compare(f"in ranges of {length} bytes", expected, _read(form, content, cuts))


def _read(
    form: InputFormat,
    content: bytes,
    cuts: Sequence[int],
    block_bytes: int = 1 << 16,
    *,
    compressed: bool = False,
) -> Records:
    """Return the records of a file, read in byte ranges as map tasks read them."""
    given = ByteRange(
        url=_URL,
        etag="",
        size=len(content),
        start=0,
        end=len(content),
        source=_URL,
        format=of_own(form),
        compression="gzip" if compressed else None,
    )

    def read(start: int, end: int) -> Iterator[bytes]:
        return (content[at : min(at + block_bytes, end)] for at in range(start, end, block_bytes))

    found: Records = []
    for start, end in pairwise([0, *cuts, len(content)]):
        piece = given.model_copy(update={"start": start, "end": end})
        for batch in OwnReader(form).batches(piece, read):
            found += batch.records
    return found


def _compare(how: str, expected: Records, found: Records) -> None:
    """Raise an AssertionError at the first record that differs."""
    for number, (one, other) in enumerate(zip(expected, found, strict=False), 1):
        if not _same(one, other):
            raise AssertionError(
                f"the file {how} gives another record {number}: {_shown(other)}, and not "
                f"{_shown(one)}"
            )
    if len(expected) != len(found):
        longer = expected if len(expected) > len(found) else found
        raise AssertionError(
            f"the file {how} gives {len(found):,} records, and not {len(expected):,}; only one "
            f"has {_shown(longer[min(len(expected), len(found))])}"
        )


def _same(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except (TypeError, ValueError):  # an array has no single truth
        return repr(one) == repr(other)


def _shown(record: Any) -> str:
    text = repr(record)
    return text if len(text) <= 100 else text[:100] + "..."
