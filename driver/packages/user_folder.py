"""The folder of the user in which packages are kept between runs; it has the layout of a store."""

from __future__ import annotations

import os
from pathlib import Path

from driver.packages.resolve import Place
from mapreduce.storage import open_storage
from mapreduce.wire import keys

MOST_BYTES = 8 << 30
"""Bytes of wheels that are kept; beyond, those that were written first are deleted."""


def user_folder() -> Path:
    """Return the folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "mapreduce-on-fargate" / "packages"


def user_place() -> Place:
    """Return the folder as a store."""
    return Place(open_storage(), f"file://{user_folder().resolve()}")


def trim(place: Place, most_bytes: int = MOST_BYTES) -> None:
    """Delete the oldest wheels beyond a limit; requirements that need one are resolved again."""
    found = list(place.storage.list(keys.join(place.store, keys.PACKAGES, "wheels")))
    total, old = 0, list[str]()
    for info in sorted(found, key=lambda info: -info.modified):
        total += info.size
        if total > most_bytes:
            old.append(info.url)
    place.storage.delete(old)
