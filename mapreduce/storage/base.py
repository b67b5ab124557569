"""The protocol of an object store; all other modules know objects only through it.

A URL is `file:///absolute/path` or `s3://bucket/key`, with the path or key unchanged: nothing is
percent-encoded, as in the AWS command line. A write is visible whole or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from mapreduce.errors import RefusedURL
from mapreduce.storage.requests import Requests

BLOCK_BYTES = 8 << 20
"""A block of a stream, and so one request to S3: the 8 MB of AWS's guide to S3's performance."""
AHEAD = 2
"""Blocks that are read ahead of a task's computation."""
PART_BYTES = 16 << 20
"""The part size of a multipart write; smaller objects are written in one request."""
LARGE_BYTES = 256 << 20
"""Longer objects are written in `LARGE_PART_BYTES`: each part costs as much as twelve reads."""
LARGE_PART_BYTES = 32 << 20
PARTS_IN_MEMORY_BYTES = 64 << 20
"""Parts that are sent, and held in memory, at the same time; more would time out on a slow line."""
REQUEST_LIMIT_S = 60.0
"""A request reads 8 MiB or writes 16 or 32 MiB; in a data centre, one that takes a minute fails."""
RETRY_LIMIT_S = 180.0
"""A task waits for three minutes for a store that fails, and then fails itself."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
COPY_BYTES = 256 << 20
"""Larger S3 objects are copied in parts: one request copies at most 5 GB, and slowly."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object: URL, size in bytes, an ETag that changes with its content, its digest if known.

    `modified` is when it was written, in seconds since the epoch, as the store says in a list or
    for a `head`; else 0. It identifies nothing.
    """

    url: str
    size: int
    etag: str
    digest: str = ""
    modified: float = field(default=0.0, compare=False)


CopyLarge = Callable[[str, str, str], None]
"""Copies an S3 object (source URL, target URL, ETag) in parts, all of the version with that ETag.

One request copies at most 5 GB. Raises `InputChanged` if the object has another ETag.
"""


class Storage(Protocol):
    """Objects by URL. Every method raises `StorageError` when the store fails."""

    @property
    def requests(self) -> Requests:
        """The network requests made so far; a local folder needs none."""

    def with_own_count(self) -> Storage:
        """Return the same storage over the same connections, with its request count at zero."""

    def head(self, url: str) -> ObjectInfo:
        """Return an object's info.

        Raises:
            ObjectMissing: there is no such object.
        """

    def read(
        self, url: str, start: int = 0, end: int | None = None, *, etag: str | None = None
    ) -> bytes:
        """Return the bytes [start, end) of an object, to its end if `end` is None.

        Raises:
            ObjectMissing: there is no such object.
            InputChanged: its ETag is not `etag`.
        """

    def stream(
        self,
        url: str,
        start: int,
        end: int,
        *,
        etag: str | None = None,
        block_bytes: int = BLOCK_BYTES,
        ahead: int = 0,
    ) -> Iterator[bytes]:
        """Yield the bytes [start, end) in blocks, all of one version of the object.

        From S3 each block is a request, and with `ahead` that many more are in flight while one is
        in use, which then comes in smaller pieces. Blocks of a local file may be shorter; the
        system reads ahead by itself.

        Raises:
            ObjectMissing: there is no such object.
            InputChanged: its ETag is not `etag`, or it ends before `end`.
        """

    def write(
        self,
        url: str,
        data: bytes | Path,
        *,
        progress: Callable[[int], None] | None = None,
        move: bool = False,
        durable: bool = False,
    ) -> ObjectInfo:
        """Write bytes, or a local file's content, and replace the object; call `progress` with the
        bytes sent.

        With `move` the local file is no longer needed: it may become the object. A `durable` write
        survives a loss of power once it has returned, and before that leaves either the old object
        or all of the new one. In S3 every write is durable.
        """

    def create(self, url: str, data: bytes, *, durable: bool = False) -> ObjectInfo:
        """Write bytes as a new object; `durable` as for `write`.

        Raises:
            ObjectExists: there is an object already.
        """

    def replace(self, url: str, data: bytes, etag: str) -> ObjectInfo:
        """Write bytes over the object that has this ETag; of two at a time only one succeeds.

        Raises:
            InputChanged: there is no object with that ETag.
        """

    def copy(
        self, source: str, target: str, *, expected: ObjectInfo | None = None, durable: bool = False
    ) -> ObjectInfo:
        """Copy within the store, and replace the target; `durable` as for `write`.

        Raises:
            ObjectMissing: there is no such object.
            InputChanged: the object is not the expected one; the target then does not exist.
        """

    def requests_at_once(self, url: str) -> int:
        """Return how many small reads are worth having under way at a time: 1 for a local file."""

    def vouches(self, url: str) -> bool:
        """Return whether an ETag of this store identifies the bytes, because only the store can
        change them.

        If not, code that relies on an object reads it and compares its digest.
        """

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects below a folder URL, sorted by URL; none if there is no such folder."""

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield the names of the folders in a folder URL, sorted, and list none of their objects;
        none if there is no such folder.
        """

    def unfinished(self, prefix: str, age_s: float) -> Iterator[ObjectInfo]:
        """Yield the leftovers of writes below a folder URL that began `age_s` ago and never ended.

        `delete` removes them. In S3 there are none to see: a lifecycle rule of the bucket removes
        them.
        """

    def delete(self, urls: Iterable[str]) -> None:
        """Delete objects; a missing object is not an error."""


def part_bytes(size_bytes: int) -> int:
    """Return the part size of a multipart write of an object of this size."""
    return LARGE_PART_BYTES if size_bytes > LARGE_BYTES else PART_BYTES


def write_requests(size_bytes: int) -> int:
    """Return how many requests write an object of this size: one, or its parts, a beginning and an
    end.
    """
    return 1 if size_bytes <= PART_BYTES else 2 + -(-size_bytes // part_bytes(size_bytes))


@lru_cache(maxsize=4096)
def split_url(url: str) -> tuple[str, str]:
    """Return a URL's root and key: `("s3://bucket", "a/b")` or `("file://", "/a/b")`.

    Raises:
        RefusedURL: another scheme, no bucket, a relative path, a `.`, `..` or empty path segment,
            or a control character.
    """
    scheme, found, rest = url.partition("://")
    if not found or scheme not in ("file", "s3"):
        raise RefusedURL(
            f"{url!r} is not a URL of a store; write file:///absolute/path or s3://bucket/key"
        )
    steps = rest.split("/")
    if any(step in ("..", ".") for step in steps) or "" in steps[1:-1]:
        raise RefusedURL(f"{url!r} has a '.', '..' or empty path segment; write the resolved path")
    if _CONTROL.search(rest):
        raise RefusedURL(f"{url!r} has a control character; give the object another name")
    if scheme == "file":
        if not rest.startswith("/"):
            raise RefusedURL(
                f"{url!r} is not absolute; a local URL has three slashes: file:///absolute/path"
            )
        return "file://", rest
    bucket, _, key = rest.partition("/")
    if not bucket:
        raise RefusedURL(f"{url!r} names no bucket; write s3://bucket/key")
    return f"s3://{bucket}", key
