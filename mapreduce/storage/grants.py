"""What a process may touch: its own store, and the extra inputs it was given to read.

Decides by the URL alone, before any I/O; then, for a local file, follows links, and decides again by where they lead.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from mapreduce.errors import RefusedURL
from mapreduce.storage.base import split_url

_LOCAL = "file://"


@dataclass(frozen=True, slots=True)
class Grants:
    """The folder or object URLs that may be read and written, and those that may only be read.

    Raises:
        RefusedURL: one of them is no URL of a store.
    """

    writable: tuple[str, ...]
    readable: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for place in self.writable + self.readable:
            split_url(place)

    def check(self, url: str, action: Literal["read", "write"]) -> None:
        """Raises `RefusedURL` for a URL that lies in none of the granted places, or that a link leads out of them.

        A link that is put there between this and the use is not seen: whoever can do that may write to the store.
        """
        root, key = split_url(url)
        granted = self.writable if action == "write" else self.writable + self.readable
        if not _lies_in(url, granted):
            raise RefusedURL(
                f"this process may not {action} {url}: it lies outside the store and the inputs it was given"
            )
        if root == _LOCAL and not _lies_in(
            _LOCAL + os.path.realpath(key), map(_without_links, granted)
        ):
            raise RefusedURL(
                f"this process may not {action} {url}: a link leads from there to somewhere outside the store and the "
                "inputs it was given; name the file itself as an input"
            )


def _lies_in(url: str, places: Iterable[str]) -> bool:
    return any(url == place or url.startswith(place.rstrip("/") + "/") for place in places)


@lru_cache(maxsize=4096)
def _without_links(place: str) -> str:
    """A granted place as it was when it was first asked about."""
    return (
        _LOCAL + os.path.realpath(place.removeprefix(_LOCAL)) if place.startswith(_LOCAL) else place
    )
