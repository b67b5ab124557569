"""The URLs that a process may use: its store, and the extra inputs that it may read.

Decides by the URL alone, before any I/O; then, for a local file, resolves symbolic links and checks
the target too.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from mapreduce.errors import RefusedURL
from mapreduce.storage.base import split_url

_LOCAL = "file://"


@dataclass(frozen=True, slots=True)
class Grants:
    """Folder or object URLs that may be read and written, and those that may only be read.

    Raises:
        RefusedURL: one of them is not a URL of a store.
    """

    writable: tuple[str, ...]
    readable: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for place in self.writable + self.readable:
            split_url(place)

    def check(
        self,
        url: str,
        action: Literal["read", "write"],
        resolve: Callable[[str], str] = os.path.realpath,
    ) -> None:
        """Check that a URL lies in a granted place, and that no symbolic link leads out of it.

        A link created between this check and the use is not detected: it takes write access to the
        store.

        Args:
            url: the URL.
            action: what is to be done with it.
            resolve: returns the path of a folder with links resolved; a caller may remember it.

        Raises:
            RefusedURL: it does not.
        """
        root, key = split_url(url)
        granted = self.writable if action == "write" else self.writable + self.readable
        if not _lies_in(url, granted):
            raise RefusedURL(
                f"this process may not {action} {url}: it lies outside the store and the granted "
                "inputs"
            )
        if root == _LOCAL and not _lies_in(
            _LOCAL + _resolved(key, resolve), _without_links(granted)
        ):
            raise RefusedURL(
                f"this process may not {action} {url}: a link leads from there outside the store "
                "and the granted inputs; name the file itself as an input"
            )


def _resolved(path: str, resolve: Callable[[str], str]) -> str:
    """Return a path with links resolved: of its folder, and then its own."""
    folder, name = posixpath.split(path)
    there = posixpath.join(resolve(folder), name)
    return os.path.realpath(there) if os.path.islink(there) else there  # noqa: PTH114


def _lies_in(url: str, places: tuple[str, ...]) -> bool:
    return url in places or url.startswith(_folders(places))


@lru_cache(maxsize=4096)
def _folders(places: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(place.rstrip("/") + "/" for place in places)


@lru_cache(maxsize=4096)
def _without_links(places: tuple[str, ...]) -> tuple[str, ...]:
    """Return granted places with links resolved, as at their first use."""
    return tuple(
        _LOCAL + os.path.realpath(place.removeprefix(_LOCAL)) if place.startswith(_LOCAL) else place
        for place in places
    )
