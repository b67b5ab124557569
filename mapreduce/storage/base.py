"""What an object store must do. Everything else in the project knows objects only through this protocol.

A URL is `file:///absolute/path` or `s3://bucket/key`, with the path or key as it is: nothing is percent-encoded, as in
the AWS command line. A write is seen whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mapreduce.errors import RefusedURL
from mapreduce.storage.requests import Requests

BLOCK_BYTES = 8 << 20
"""A block of a stream, and so a request of S3: the 8 MB that AWS's guide to S3's performance names."""
AHEAD = 2
"""Blocks that are read ahead of a task's computing."""
REQUEST_LIMIT_S = 60.0
"""A request brings 8 MiB or takes 16: what has not ended after a minute in a data centre never will."""
COPY_BYTES = 256 << 20
"""Above this an object of S3 is copied in parts: one request copies at most 5 GB, and takes too long below that."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object's URL, its size in bytes, an ETag that changes with its content, and its digest where it is known."""

    url: str
    size: int
    etag: str
    digest: str = ""


CopyLarge = Callable[[str, str, str], None]
"""Copies an object of S3 (URL) to another URL in parts, all of the version with the ETag that is given third.

One request copies at most 5 GB. Raises `InputChanged` when the object has another ETag.
"""


class Storage(Protocol):
    """Objects by URL. Every method raises `StorageError` when the store fails."""

    @property
    def requests(self) -> Requests:
        """The requests that this has made over a network so far; a local folder needs none."""

    def with_own_count(self) -> Storage:
        """The same objects over the same connections, with a count of requests that begins at zero."""

    def head(self, url: str) -> ObjectInfo:
        """What the object is; raises `ObjectMissing`."""

    def read(
        self, url: str, start: int = 0, end: int | None = None, *, etag: str | None = None
    ) -> bytes:
        """The bytes [start, end) of an object, to its end when `end` is None.

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
        """The bytes [start, end) in blocks, all of one version of the object.

        Raises as `read` does, and when fewer bytes come than were asked for. From S3 each block is a request, and
        `ahead` more are under way while one is being used, which then comes in pieces; blocks of a local file may be
        shorter, and the system reads ahead by itself.
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
        """Writes bytes, or a local file's content, and replaces what was there; `progress` is told the bytes sent.

        With `move` the local file is not needed afterwards: it may become the object, and be gone. A `durable` write
        survives a loss of power from the moment that it returns, and until then leaves what was there before or all of
        it. In S3 every write is durable.
        """

    def create(self, url: str, data: bytes) -> ObjectInfo:
        """Writes bytes where nothing is yet; raises `ObjectExists`."""

    def copy(
        self, source: str, target: str, *, expected: ObjectInfo | None = None, durable: bool = False
    ) -> ObjectInfo:
        """Copy within the store, and replace what was there; `durable` as for `write`.

        Raises:
            ObjectMissing: there is no such object.
            InputChanged: the object is not the one that is expected; nothing bears the target's name then.
        """

    def vouches(self, url: str) -> bool:
        """Return whether an ETag of this store stands for the bytes, because only the store itself can change them.

        Where it does not, whoever relies on an object reads it and compares its digest.
        """

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """The objects below a folder URL, sorted by URL; nothing when there is no such folder."""

    def unfinished(self, prefix: str, age_s: float) -> Iterator[ObjectInfo]:
        """What writes below a folder URL have left that began so long ago and never ended; `delete` takes it away.

        Of S3 there is none to be seen: a rule of the bucket ends such uploads.
        """

    def delete(self, urls: Iterable[str]) -> None:
        """Deletes objects; those that are gone already are no error."""


def split_url(url: str) -> tuple[str, str]:
    """The root of a URL and the key below it: `("s3://bucket", "a/b")` or `("file://", "/a/b")`.

    Raises:
        RefusedURL: another scheme, no bucket, a relative path, a `.`, `..` or empty step, or a control character.
    """
    scheme, found, rest = url.partition("://")
    if not found or scheme not in ("file", "s3"):
        raise RefusedURL(
            f"{url!r} is not a URL of a store; write file:///absolute/path or s3://bucket/key"
        )
    steps = rest.split("/")
    if any(step in ("..", ".") for step in steps) or "" in steps[1:-1]:
        raise RefusedURL(
            f"{url!r} has a '.', '..' or empty step in it; write the path that it means"
        )
    if any(char < " " or char == "\x7f" for char in rest):
        raise RefusedURL(f"{url!r} has a control character in it; give the object another name")
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
