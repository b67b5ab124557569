"""Settings of a run that a job or a chain may say in its class; the command line wins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from mapreduce.errors import JobLoadError

_BINARY = {"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_DECIMAL = {"k": 10**3, "m": 10**6, "g": 10**9}
_UNITS = {"": 1, "b": 1} | _BINARY | _DECIMAL | {f"{k}b": size for k, size in _DECIMAL.items()}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE)

SETTINGS = ("reducers", "chunk_size", "skip_bad_records", "task_memory")
"""The names of the settings; each is an option of `run` too."""
OF_A_RUN = ("skip_bad_records", "task_memory")
"""Settings that hold for all steps of a chain, so that only the chain says them."""


class Settings:
    """The settings, as class attributes of `Job` and `Chain`; None: by rule, or by the option.

    Attributes:
        reducers: how many reduce tasks.
        chunk_size: length of a split at most, in bytes, or as a text such as "64MiB".
        skip_bad_records: how many records may be set aside.
        task_memory: memory of a task on this machine, in bytes, or as a text such as "512MiB".
    """

    reducers: ClassVar[int | None] = None
    chunk_size: ClassVar[int | str | None] = None
    skip_bad_records: ClassVar[int | None] = None
    task_memory: ClassVar[int | str | None] = None


def size_of(text: int | str) -> int | None:
    """Return a size such as 4096, "64MiB" or "1.5gb" in bytes, or None if it is not one."""
    if type(text) is int:
        return text if text > 0 else None
    found = _SIZE.fullmatch(text.strip()) if isinstance(text, str) else None
    unit = _UNITS.get(found[2].lower()) if found else None
    return (int(float(found[1]) * unit) or None) if found and unit else None


def check_settings(cls: type[Settings]) -> None:
    """Refuse a setting that is not a number or a size.

    Raises:
        JobLoadError: names it, and what to write.
    """
    for name, message in _wrong(cls):
        raise JobLoadError(f"`{name}` of {cls.__name__} is {getattr(cls, name)!r}; {message}")


def said_settings(cls: type[Settings]) -> dict[str, Any]:
    """Return the settings that a class says, sizes in bytes."""
    said = {name: getattr(cls, name) for name in SETTINGS if getattr(cls, name) is not None}
    return {
        name: size_of(value) if name in ("chunk_size", "task_memory") else value
        for name, value in said.items()
    }


def _wrong(cls: type[Settings]) -> Iterator[tuple[str, str]]:
    for name, least in (("reducers", 1), ("skip_bad_records", 0)):
        value = getattr(cls, name)
        if value is not None and (type(value) is not int or value < least):
            yield name, f"write a whole number, at least {least}"
    for name in ("chunk_size", "task_memory"):
        value = getattr(cls, name)
        if value is not None and size_of(value) is None:
            yield name, 'write a number of bytes, or a size such as "64MiB"'
