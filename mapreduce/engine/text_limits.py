"""Limits on the texts of a task's result, applied where the task runs.

A job decides what it raises, counts and yields, so each of these texts may be of any length. A text
that is cut says so.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from mapreduce.wire.messages import TaskError

LIMITS = {
    "message": 4_000,
    "traceback": 20_000,
    "place": 4_000,
    "record": 1_000,
    "object": 4_000,
    "url": 4_000,
}
"""The longest texts of an error, in characters."""
TOP_BYTES = 1_000
"""The longest key or value among the top pairs, in bytes of JSON; the result itself is never cut.
"""

Text = Literal["message", "traceback", "place", "record", "object", "url"]
_encode = msgspec.json.Encoder().encode


def cut(text: str, limit: int) -> str:
    """Return a text of at most `limit` characters: a longer one as start, length and end."""
    if len(text) <= limit:
        return text
    end = "\n" if "\n" in text else ""
    note = f"{end}... ({len(text):,} characters, cut) ...{end}"
    left = max(limit - len(note), 0)
    head = left - left // 2
    return f"{text[:head]}{note}{text[len(text) - left // 2 :]}"[:limit]


def within_limits(name: Text, text: str) -> str:
    """Return a text of an error, cut to its limit."""
    return cut(text, LIMITS[name])


def short_error(error: TaskError) -> TaskError:
    """Return an error with each of its texts cut to its limit."""
    texts = {name: cut(getattr(error, name), limit) for name, limit in LIMITS.items()}
    return error.model_copy(update=texts)


def short_top(value: Any) -> Any:
    """Return a key or value of the top pairs as JSON; a long one cut, as str."""
    if isinstance(value, str):
        return value if len(value) <= TOP_BYTES else cut(value, TOP_BYTES)
    if not isinstance(value, list | dict):
        return value
    encoded = _encode(value)
    return value if len(encoded) <= TOP_BYTES else cut(encoded.decode(), TOP_BYTES)
