"""Keys and values as JSON values.

A tuple is a list, bytes are `{"base64": "..."}`, a date or time is its text in ISO 8601, a Decimal
its text, a member of an Enum its value, a dataclass an object, a named tuple a list.

A part keeps more of a key (`json_key`), so that its order and its partition follow from the part
alone: `{"date": "2026-01-31"}`. No key is an object by itself, so there is nothing to confuse it
with. A result that is written or shown has the plain form (`plain_key`).
"""

from __future__ import annotations

import base64
import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from mapreduce.encoding import Descending
from mapreduce.encoding.named import Named, named

_PLAIN = frozenset((str, int, float, bool, type(None)))
_TEXTS: dict[type, tuple[str, Callable[[Any], str]]] = {
    bytes: ("base64", lambda value: base64.b64encode(value).decode()),
    Decimal: ("decimal", str),
    datetime.date: ("date", datetime.date.isoformat),
    datetime.datetime: ("datetime", datetime.datetime.isoformat),
    datetime.time: ("time", datetime.time.isoformat),
}
"""Types that are one text in JSON: how a key is marked, and the text."""
_MADE: dict[str, Callable[[Any], Any]] = {
    "base64": base64.b64decode,
    "decimal": Decimal,
    "date": datetime.date.fromisoformat,
    "datetime": datetime.datetime.fromisoformat,
    "time": datetime.time.fromisoformat,
    "descending": lambda content: Descending(key_of_json(content)),
}


def jsonable(value: Any) -> Any:
    """Return a value as a JSON value."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict:
        return {name: jsonable(item) for name, item in value.items()}
    if kind is Descending:
        return jsonable(value.value)
    if kind in _TEXTS:
        mark, text = _TEXTS[kind]
        return {mark: text(value)} if kind is bytes else text(value)
    if kind is not list and kind is not tuple and (parts := named(value)) is not None:
        return _plain_fields(parts.kind, {k: jsonable(item) for k, item in parts.fields.items()})
    return [jsonable(item) for item in value]


def json_key(key: Any) -> Any:
    """Return a key as a JSON value from which `key_of_json` makes one with the same bytes."""
    kind = type(key)
    if kind in _PLAIN:
        return key
    if kind in _TEXTS:
        mark, text = _TEXTS[kind]
        return {mark: text(key)}
    if kind is Descending:
        return {"descending": json_key(key.value)}
    if kind is not tuple and (parts := named(key)) is not None:
        fields = {name: json_key(item) for name, item in parts.fields.items()}
        return {parts.kind: [parts.name, fields]}
    return [json_key(item) for item in key]


def key_of_json(key: Any) -> Any:
    """Return the key of a `json_key`; one of an author's class comes as a `Named`.

    Raises:
        ValueError: it is not the JSON of a key.
    """
    if isinstance(key, list):
        return tuple(key_of_json(item) for item in key)
    if isinstance(key, dict):
        try:
            ((mark, content),) = key.items()
            if mark in _MADE:
                return _MADE[mark](content)
            name, fields = content
            made = {field: key_of_json(item) for field, item in fields.items()}
        except (TypeError, AttributeError, ArithmeticError) as exc:
            raise ValueError("it is not the JSON of a key") from exc
        if mark not in ("enum", "dataclass", "namedtuple"):
            raise ValueError(f"no key is an object of {mark!r}")
        return Named(mark, name, made)
    return key


def plain_key(key: Any) -> Any:
    """Return a `json_key` as people and other programs read it: as `jsonable` would return it."""
    if isinstance(key, list):
        return [plain_key(item) for item in key]
    if not isinstance(key, dict):
        return key
    ((mark, content),) = key.items()
    if mark == "base64":
        return key
    if mark == "descending":
        return plain_key(content)
    if mark in _MADE:
        return content
    return _plain_fields(mark, {name: plain_key(item) for name, item in content[1].items()})


def typed_key(key: Any) -> Any:
    """Return a `json_key` for a table whose columns have types: dates, times and decimal numbers as
    they are, all else as `plain_key`.
    """
    if isinstance(key, list):
        return [typed_key(item) for item in key]
    if not isinstance(key, dict):
        return key
    ((mark, content),) = key.items()
    if mark == "descending":
        return typed_key(content)
    if mark in _MADE and mark != "base64":
        return _MADE[mark](content)
    if mark in ("enum", "dataclass", "namedtuple"):
        return _plain_fields(mark, {name: typed_key(item) for name, item in content[1].items()})
    return plain_key(key)


def _plain_fields(kind: str, fields: dict[str, Any]) -> Any:
    if kind == "enum":
        return fields["value"]
    return list(fields.values()) if kind == "namedtuple" else fields
