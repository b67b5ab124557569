"""What cannot be carried, with the reason and what to write instead."""

from __future__ import annotations

from collections.abc import Iterator
from io import IOBase

CARRIED_KEYS = (
    "None, bool, int, float, Decimal, date, datetime, time, bytes, str, a tuple of these, a member "
    "of an Enum, a frozen dataclass or a named tuple"
)
CARRIED_VALUES = (
    "None, bool, int, float, Decimal, date, datetime, time, str, bytes, a list, tuple or dict of "
    "these, a member of an Enum, a dataclass or a named tuple"
)
_KEY_HINTS = {
    "tuple(key)": "list",
    "tuple(sorted(key))": "set frozenset",
    "tuple(sorted(key.items()))": "dict",
    "bytes(key)": "bytearray memoryview",
    "str(key)": "uuid.UUID pathlib.PosixPath",
    "key.total_seconds()": "datetime.timedelta",
    "(key.numerator, key.denominator)": "fractions.Fraction",
    "key.to_pydatetime()": "pandas._libs.tslibs.timestamps.Timestamp",
}
"""What to write, and the types in whose place."""
_VALUE_HINTS = {
    "sorted(value)": "set frozenset",
    "list(value)": "dict_values dict_keys dict_items",
    "str(value)": "uuid.UUID pathlib.PosixPath",
    "value.total_seconds()": "datetime.timedelta",
    "(value.numerator, value.denominator)": "fractions.Fraction",
    "dict(value)": "collections.Counter collections.defaultdict",
    "bytes(value)": "bytearray memoryview",
    "value.to_pydatetime()": "pandas._libs.tslibs.timestamps.Timestamp",
    "value.value": "mapreduce.encoding.descending.Descending",
}


class NotCarriable(TypeError):
    """A key or value of an unsupported type or content."""


def unknown_key(key: object) -> NotCarriable:
    """Return the error of a key of an unsupported type."""
    return NotCarriable(
        f"a key of type {type_name(key)} cannot be carried; use {CARRIED_KEYS}"
        f"{_way_out(key, 'key', _KEY_HINTS, (str, bytes, int, float))}"
    )


def unknown_value(value: object) -> NotCarriable:
    """Return the error of a value of an unsupported type."""
    return NotCarriable(
        f"a value of type {type_name(value)} cannot be carried; use {CARRIED_VALUES}"
        f"{_way_out(value, 'value', _VALUE_HINTS, (str, bytes, int, float, list, dict))}"
    )


def surrogate(text: str) -> NotCarriable:
    """Return the error of a text that UTF-8 cannot encode."""
    return NotCarriable(
        f"the text {text[:40]!r} holds a lone surrogate, which UTF-8 cannot encode; "
        "decode with errors='replace'"
    )


def type_name(value: object) -> str:
    """Return the full name of a value's type."""
    kind = type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"


def _way_out(value: object, word: str, hints: dict[str, str], bases: tuple[type, ...]) -> str:
    """Return what to write instead of a value of that type, as the end of a sentence, or ""."""
    if hint := next(
        (hint for hint, names in hints.items() if type_name(value) in names.split()), ""
    ):
        return f"; write {hint}"
    if isinstance(value, Iterator) and not isinstance(value, IOBase):  # e.g. the values of a key
        return f"; write {'tuple' if word == 'key' else 'list'}({word})"
    base = next((base for base in bases if isinstance(value, base)), None)
    return f"; write {base.__name__}({word})" if base else ""
