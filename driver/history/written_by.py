"""Which version of this program wrote a record, and whether this one may read it. Pure."""

from __future__ import annotations

import json

from mapreduce.version import VERSION

DISTRIBUTION = "mapreduce-on-fargate"


def why_unread(version: str, own: str = VERSION) -> str:
    """Return why a record of a version cannot be read: it is newer than this one; "" if it is not.

    A newer version may mean something else by the same record, so it is not guessed at.
    """
    if _numbers(version) <= _numbers(own):
        return ""
    return (
        f"version {version} of this program has written it, and this is {own}; "
        f"install that one: pip install '{DISTRIBUTION}=={version}'"
    )


def version_in(record: bytes) -> str:
    """Return the version that a record names, which may be one that cannot be read; "" for none."""
    try:
        found = json.loads(record)
    except (ValueError, RecursionError):
        return ""
    version = found.get("version") if isinstance(found, dict) else ""
    return version if isinstance(version, str) and _numbers(version) else ""


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of `1.2.3`, to compare; () for another text."""
    parts = version.split(".")
    return (
        tuple(map(int, parts)) if all(part.isascii() and part.isdigit() for part in parts) else ()
    )
