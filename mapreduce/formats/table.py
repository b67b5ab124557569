"""The table of a result: which columns a pair fills.

Without names of its own a result has the columns `key` and `value`. With names, a pair fills them
from the left: first the fields of its key, then those of its value. A tuple or list gives several
fields, a dict one for each of its names, anything else one.

A dict of names makes several tables, the outputs of the job: the first field of a key names the
output of its pair, and the other fields fill the output's columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from mapreduce.formats.output import JsonPair, is_bytes

KEY_AND_VALUE = ("key", "value")
Row: TypeAlias = tuple[Any, ...]
"""The fields of a row, as JSON values."""
Columns: TypeAlias = Sequence[str] | Mapping[str, Sequence[str]]
"""The names of a table's columns, or those of each output."""
OUTPUT = "output"
_OUTPUT_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")
_SHOWN = 80


class NotARow(ValueError):
    """A pair does not fill the columns; the message continues a sentence after the pair."""


def frozen_columns(columns: Columns) -> tuple[str, ...] | dict[str, tuple[str, ...]]:
    """Return columns as messages hold them."""
    if isinstance(columns, Mapping):
        return {name: tuple(each) for name, each in columns.items()}
    return tuple(columns)


def fill_two(columns: Columns) -> bool:
    """Return whether a pair of a text and a number certainly fills the columns."""
    return not columns or (not isinstance(columns, Mapping) and len(columns) == 2)


def row_of(key: Any, value: Any, columns: Columns) -> Row:
    """Return the fields of a pair, in the order of the columns.

    Args:
        key: a key as `jsonable` returns it.
        value: a value as `jsonable` returns it.
        columns: the names; none for key and value. Of several outputs, the row begins with the
            output's name.

    Raises:
        NotARow: the pair has another number of fields, a dict another name, or the pair no output.
    """
    if not columns:
        return key, value
    first = tuple(key) if isinstance(key, list) else (key,)
    if not isinstance(columns, Mapping):
        return _filled(first, value, columns)
    name = first[0] if first else None
    if not isinstance(name, str) or name not in columns:
        raise NotARow(
            "names no output in the first field of its key; "
            f"`columns` has the outputs: {', '.join(columns)}"
        )
    return name, *_filled(first[1:], value, columns[name])


def _filled(first: tuple[Any, ...], value: Any, columns: Sequence[str]) -> Row:
    if isinstance(value, dict) and not is_bytes(value) and len(first) <= len(columns):
        return first + _named(value, columns[len(first) :], columns)
    row = first + (tuple(value) if isinstance(value, list) else (value,))
    if len(row) != len(columns):
        names = f"{len(columns)}: {', '.join(columns)}"
        raise NotARow(f"has {len(row)} fields, and `columns` {names}")
    return row


def _named(
    value: Mapping[str, Any], free: Sequence[str], columns: Sequence[str]
) -> tuple[Any, ...]:
    """Return the values of the columns that the key leaves; None for a name that the dict lacks."""
    unknown = next((name for name in value if name not in free), None)
    if unknown is not None:
        if unknown in columns:
            raise NotARow(f"gives the column {unknown!r} twice: by its key, and by its value")
        raise NotARow(f"has the field {unknown!r}; `columns` has: {', '.join(columns)}")
    return tuple(value.get(name) for name in free)


def rows_of(pairs: Iterable[JsonPair], columns: Columns) -> Iterator[Row]:
    """Yield the row of each pair.

    Raises:
        NotARow: the message names the pair.
    """
    if not columns:
        yield from pairs
        return
    for key, value in pairs:
        try:
            yield row_of(key, value, columns)
        except NotARow as exc:
            raise NotARow(f"the pair {shown_pair(key, value)} {exc}") from None


def shown_pair(key: Any, value: Any) -> str:
    """Return a pair as a message shows it, cut to a limit."""
    text = f"{key!r}, {value!r}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def wrong_columns(columns: object) -> str:
    """Return what is wrong with the names of columns, as the end of a sentence; "" if nothing."""
    if isinstance(columns, Mapping):
        return _wrong_outputs(columns)
    if not isinstance(columns, tuple | list):
        return f'is {columns!r}; write a tuple of names: ("user", "amount")'
    for name in columns:
        if not isinstance(name, str) or not name.strip():
            return f"has {name!r}; a column's name is a text that is not empty"
        if any(ord(letter) < 0x20 or 0xD800 <= ord(letter) < 0xE000 for letter in name):
            return f"has {name!r}; a column's name has no control characters"
    lower = [name.lower() for name in columns]
    twice = next((name for name in columns if lower.count(name.lower()) > 1), None)
    if twice is not None:
        return f"has {twice!r} twice (small and capital letters are the same)"
    return ""


def _wrong_outputs(columns: Mapping[object, object]) -> str:
    for name, each in columns.items():
        if not isinstance(name, str) or not _OUTPUT_NAME.fullmatch(name):
            return f"has the output {name!r}; a name has letters, digits, _ and -"
        if not each:
            return f"has the output {name!r} without a column"
        if wrong := wrong_columns(each):
            return f"{wrong}, in the output {name!r}"
    lower = [str(name).lower() for name in columns]
    if len(set(lower)) < len(lower):
        return "has two outputs whose names differ in small and capital letters alone"
    return "" if columns else "is {}; leave it out"
