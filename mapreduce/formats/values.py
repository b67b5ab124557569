"""Values, one a line: JSON, or else the text of the line; each map task has one and its number."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import count
from typing import Any, NoReturn

from mapreduce.errors import InputError
from mapreduce.formats.base import ReadRange, RecordBatch
from mapreduce.formats.limits import LIMITS, Limits
from mapreduce.formats.text import LineDecoder, line_blocks
from mapreduce.formats.undecoded import Undecoded
from mapreduce.input_formats import Values
from mapreduce.wire.messages import ByteRange

MOST_VALUES = 10_000
"""Each is a map task of its own."""
MOST_BYTES = 64 << 20


class ValuesReader:
    """Values with their numbers. Arguments and errors are those of the `Reader` protocol.

    Args:
        limits: the longest line.
    """

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._decoder = LineDecoder()

    @property
    def undecoded(self) -> Undecoded:
        """The bytes so far that are not UTF-8."""
        return self._decoder.undecoded

    def batches(self, byte_range: ByteRange, read: ReadRange) -> Iterator[RecordBatch]:
        """Yield batches of values; blank lines are none."""
        form = byte_range.format
        numbers = count(form.first if isinstance(form, Values) else 0)
        for block in line_blocks(byte_range, read, self._limits):
            lines = self._decoder.lines(block.position, block.data, byte_range.source_offset)
            values = ((next(numbers), value_of(text)) for _, text in lines if text.strip())
            yield RecordBatch(block.start, block.length, values)


def value_of(text: str) -> Any:
    """Return the JSON value of a line, or its text if it is no JSON."""
    try:
        return json.loads(text, parse_constant=_refused, parse_float=_finite)
    except (ValueError, RecursionError):
        return text


def value_ranges(content: bytes, url: str) -> list[tuple[int, int]]:
    """Return the byte range of each value; together they are the whole content.

    Raises:
        InputError: there are no values, or too many.
    """
    ranges: list[tuple[int, int]] = []
    at = 0
    for line in content.split(b"\n"):
        end = min(at + len(line) + 1, len(content))
        if line.strip():
            # blank lines before the first value belong to it, others to the one before
            ranges.append((at if ranges else 0, end))
        elif ranges:
            ranges[-1] = (ranges[-1][0], end)
        at = end
    if not ranges:
        raise InputError(f"{url} has no values; write one a line")
    if len(ranges) > MOST_VALUES:
        raise InputError(
            f"{url} has {len(ranges):,} values, and the limit is {MOST_VALUES:,}, as each is a map "
            "task of its own; give the file with --input, so that a task maps many lines"
        )
    return ranges


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refused(text)


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
