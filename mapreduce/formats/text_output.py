r"""Write a table as text: CSV, TSV, and `.txt`, one value a line.

CSV is that of RFC 4180. An empty text is `""`, and None is nothing. TSV has one row a line and one
tab between two fields, without quotes, for `cut`, `awk`, `sort` and Hadoop: a tab, line feed,
carriage return or backslash in a field is `\t`, `\n`, `\r` or `\\`, and None is `\N`, as in
PostgreSQL's COPY, MySQL and Hive. A date, a time and a Decimal stand as their text, and any
other field that is no text as JSON.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from mapreduce.formats.table import NotARow, Row, shown_pair

_BLOCK_CHARACTERS = 1 << 16
# a bare carriage return ends a row for most readers; a byte order mark would be dropped
_QUOTED = frozenset(',"\r\n\ufeff')
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
# JSON has them as texts of plain characters, in quotes
_TEXTS_IN_JSON = frozenset((datetime.date, datetime.datetime, datetime.time, decimal.Decimal))
_encode = msgspec.json.Encoder().encode


def write_csv(rows: Iterable[Row], names: Sequence[str], *, header: bool) -> Iterator[bytes]:
    """Yield the bytes of a table as CSV, in blocks."""
    cell = _only_csv_cell if len(names) == 1 else _csv_cell
    return _blocks(_lines(rows, names, cell, ",", header=header))


def write_tsv(rows: Iterable[Row], names: Sequence[str], *, header: bool) -> Iterator[bytes]:
    """Yield the bytes of a table as TSV, in blocks."""
    return _blocks(_lines(rows, names, _tsv_cell, "\t", header=header))


def write_values(pairs: Iterable[Row]) -> Iterator[bytes]:
    """Yield the values of a result, one a line, in blocks.

    Raises:
        NotARow: a value has a line feed.
    """
    return _blocks(_value_line(key, value) for key, value in pairs)


def _value_line(key: Any, value: Any) -> str:
    text = text_of(value)
    if "\n" in text:
        raise NotARow(
            f"the pair {shown_pair(key, value)} has a line feed in its value, which would be two "
            "lines of a .txt file; write .tsv or .jsonl"
        )
    return text + "\n"


def _lines(
    rows: Iterable[Row],
    names: Sequence[str],
    cell: Callable[[Any], str],
    delimiter: str,
    *,
    header: bool,
) -> Iterator[str]:
    if header:
        yield delimiter.join(map(cell, names)) + "\n"
    for row in rows:
        yield delimiter.join(map(cell, row)) + "\n"


def _blocks(lines: Iterable[str]) -> Iterator[bytes]:
    block: list[str] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line)
        if size > _BLOCK_CHARACTERS:
            yield "".join(block).encode()
            block, size = [], 0
    yield "".join(block).encode()


def text_of(value: Any) -> str:
    """Return a field as text: a text, a date, a time and a Decimal as they are, others as JSON."""
    if isinstance(value, str):
        return value
    text = _encode(value).decode()
    return text[1:-1] if type(value) in _TEXTS_IN_JSON else text


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    text = text_of(value)
    return text if text and _QUOTED.isdisjoint(text) else '"' + text.replace('"', '""') + '"'


def _only_csv_cell(value: Any) -> str:
    # a line without a cell is no row for most readers
    return _csv_cell("" if value is None else value)


def _tsv_cell(value: Any) -> str:
    if value is None:
        return "\\N"
    text = text_of(value)
    return text.translate(_ESCAPES)
