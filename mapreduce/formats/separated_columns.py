"""Chosen columns of separated values, taken from whole rows by the native extension.

It accepts only what `RowParser` reads without an error and in the same way; all else is left to it.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mapreduce import native
from mapreduce.formats.text import utf8
from mapreduce.input_formats import Csv


@dataclass(frozen=True, slots=True)
class TextColumn:
    """Texts one behind the other.

    Attributes:
        ends: 32-bit integers: where each text begins, and where the last one ends.
        data: UTF-8.
    """

    ends: bytes
    data: bytes

    def __len__(self) -> int:
        return len(self.ends) // 4 - 1

    def texts(self) -> list[str]:
        """Return the texts."""
        ends = array("i", self.ends)
        data = self.data
        return [data[begin:end].decode("utf-8") for begin, end in pairwise(ends)]


def text_columns(
    form: Csv, data: bytes, offset: int, header: Sequence[str], wanted: Sequence[str]
) -> tuple[int, list[TextColumn]] | None:
    """Return the number of rows, and the wanted columns; None where `RowParser` must read the rows.

    Args:
        form: the options of the format.
        data: whole rows.
        offset: of the first one in the input.
        header: the names of all columns.
        wanted: some of them.
    """
    if native.extension is None or not _is_plain(form) or len(data) >= 1 << 31:
        return None
    whole = utf8(data, offset)
    if whole is None:
        return None
    quote = ord(form.quote) if form.quoting == "minimal" else -1
    places = tuple(header.index(name) for name in wanted)
    found = native.extension.separated(whole, ord(form.delimiter), quote, len(header), places)
    if found is None:
        return None
    rows, columns = found
    return rows, [TextColumn(ends, texts) for ends, texts in columns]


def _is_plain(form: Csv) -> bool:
    marks = form.delimiter + form.quote
    return (
        form.encoding == "utf-8"
        and form.escape is None
        and form.comment is None
        and marks.isascii()
        and "\0" not in marks  # which ends the data of the scan
    )
