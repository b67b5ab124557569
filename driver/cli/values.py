"""Parses option values: sizes, counts, and `name=value` pairs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from driver.text import shown
from mapreduce.errors import UsageError
from mapreduce.user_code.settings import size_of

_SECONDS = {"s": 1, "m": 60, "h": 3600}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smh])")
_AGES = {"h": 3600, "d": 86_400, "w": 604_800}
_AGE = re.compile(r"(\d{1,6})([hdw])", re.ASCII)


def size_bytes(option: str, text: str) -> int:
    """Return a size such as `64MiB`, `1.5gb` or `4096` in bytes; raises `UsageError`."""
    size = size_of(text)
    if size is None:
        raise UsageError(
            f"{option} {text}: not a size; "
            "write a number of bytes, or one with KiB, MiB, GiB, KB, MB or GB"
        )
    return size


def duration_s(option: str, text: str) -> float:
    """Return a duration such as `90s`, `10m` or `1h` in seconds; raises `UsageError`."""
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None or not float(found[1]):
        raise UsageError(
            f"{option} {text}: not a duration; write seconds, minutes or hours, e.g. 90s, 10m, 1h"
        )
    return float(found[1]) * _SECONDS[found[2]]


def age_s(option: str, text: str) -> float:
    """Return an age such as `30d`, `12h` or `2w` in seconds; raises `UsageError`."""
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{option} {text}: not an age; write e.g. 30d, 12h or 2w")
    return int(found[1]) * float(_AGES[found[2]])


def assignments(option: str, texts: Iterable[str]) -> dict[str, str]:
    """Return the names and values of `name=value` texts; raises `UsageError`."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} {text}: write {option} name=value")
        if not _is_unicode(text):
            raise UsageError(f"{option} {shown(text)}: is not UTF-8")
        found[name] = value
    return found


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def counts(option: str, text: str) -> tuple[int, ...]:
    """Return the distinct counts of `1,2,5`, in ascending order; raises `UsageError`."""
    try:
        numbers = {int(part) for part in text.split(",")}
    except ValueError:
        raise UsageError(
            f"{option} {text}: write whole numbers with commas between them, e.g. 1,2,5"
        ) from None
    if min(numbers) < 1:
        raise UsageError(f"{option} {text}: each must be at least 1")
    return tuple(sorted(numbers))
