"""Which backend a URL belongs to, and whether this process may touch it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from mapreduce.storage.base import BLOCK_BYTES, ObjectInfo, Storage, split_url
from mapreduce.storage.grants import Grants


class RoutedStorage:
    """All backends as one `Storage`; each is opened once, when it is first asked for.

    With `grants`, every URL outside them is refused with `RefusedURL` before any I/O.
    """

    def __init__(self, open_root: Callable[[str], Storage], grants: Grants | None = None) -> None:
        self._open_root = open_root
        self._grants = grants
        self._roots: dict[str, Storage] = {}

    def head(self, url: str) -> ObjectInfo:
        return self._reading(url).head(url)

    def read(self, url: str, start: int = 0, end: int | None = None, *, etag: str | None = None) -> bytes:
        return self._reading(url).read(url, start, end, etag=etag)

    def stream(
        self, url: str, start: int, end: int, *, etag: str | None = None, block_bytes: int = BLOCK_BYTES
    ) -> Iterator[bytes]:
        return self._reading(url).stream(url, start, end, etag=etag, block_bytes=block_bytes)

    def write(self, url: str, data: bytes | Path, *, progress: Callable[[int], None] | None = None) -> ObjectInfo:
        return self._writing(url).write(url, data, progress=progress)

    def create(self, url: str, data: bytes) -> ObjectInfo:
        return self._writing(url).create(url, data)

    def copy(self, source: str, target: str) -> ObjectInfo:
        self._reading(source)
        return self._writing(target).copy(source, target)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self._reading(prefix).list(prefix)

    def delete(self, urls: Iterable[str]) -> None:
        for url in urls:
            self._writing(url).delete([url])

    def _reading(self, url: str) -> Storage:
        if self._grants:
            self._grants.check(url, "read")
        return self._backend(url)

    def _writing(self, url: str) -> Storage:
        if self._grants:
            self._grants.check(url, "write")
        return self._backend(url)

    def _backend(self, url: str) -> Storage:
        root = split_url(url)[0]
        if root not in self._roots:
            self._roots[root] = self._open_root(root)
        return self._roots[root]


def open_storage(
    grants: Grants | None = None, *, credentials: Callable[[], Any] | None = None, region: str | None = None
) -> Storage:
    """All of the local file system and of S3 by URL, or what `grants` leave of it.

    Opens nothing, and asks no network, before the first use.
    """

    def open_root(root: str) -> Storage:
        # each backend is imported when it is used: a job on a laptop starts without the other's weight
        if root == "file://":
            from mapreduce.storage.local import LocalStorage

            return LocalStorage()
        from mapreduce.storage.s3 import open_s3

        return open_s3(root.removeprefix("s3://"), credentials=credentials, region=region)

    return RoutedStorage(open_root, grants)
