"""What a process may touch: its own store, and the extra inputs it was given to read. Decides, and does no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mapreduce.errors import RefusedURL
from mapreduce.storage.base import split_url


@dataclass(frozen=True, slots=True)
class Grants:
    """The folder or object URLs that may be read and written, and those that may only be read."""

    writable: tuple[str, ...]
    readable: tuple[str, ...] = ()

    def check(self, url: str, action: Literal["read", "write"]) -> None:
        """Raises `RefusedURL` for a URL that lies in none of the granted places."""
        split_url(url)
        granted = self.writable if action == "write" else self.writable + self.readable
        if not any(url == place or url.startswith(place.rstrip("/") + "/") for place in granted):
            raise RefusedURL(
                f"this process may not {action} {url}: it lies outside the store and the inputs it was given"
            )
