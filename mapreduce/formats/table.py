"""The table of a result: which columns a pair fills.

Without names of its own a result has the columns `key` and `value`. With names, a pair fills them
from the left: first the fields of its key, then those of its value. A tuple or list gives several
fields, a dict one for each of its names, anything else one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from mapreduce.formats.output import JsonPair, is_bytes

KEY_AND_VALUE = ("key", "value")
Row: TypeAlias = tuple[Any, ...]
"""The fields of a row, as JSON values."""
_SHOWN = 80


class NotARow(ValueError):
    """A pair does not fill the columns; the message continues a sentence after the pair."""


def row_of(key: Any, value: Any, columns: Sequence[str]) -> Row:
    """Return the fields of a pair, in the order of the columns.

    Args:
        key: a key as `jsonable` returns it.
        value: a value as `jsonable` returns it.
        columns: the names; none for key and value.

    Raises:
        NotARow: the pair has another number of fields, or a dict another name.
    """
    if not columns:
        return key, value
    first = tuple(key) if isinstance(key, list) else (key,)
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


def rows_of(pairs: Iterable[JsonPair], columns: Sequence[str]) -> Iterator[Row]:
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
