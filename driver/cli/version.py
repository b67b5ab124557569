"""The version of this program."""

from __future__ import annotations

from mapreduce.version import VERSION

DISTRIBUTION = "mapreduce-on-fargate"


def version() -> str:
    """Return the name of the distribution and its version."""
    return f"{DISTRIBUTION} {VERSION}"
