"""Route a URL to its store, and check that this process may use it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from mapreduce.storage.base import (
    BLOCK_BYTES,
    REQUEST_LIMIT_S,
    RETRY_LIMIT_S,
    CopyLarge,
    ObjectInfo,
    Storage,
    split_url,
)
from mapreduce.storage.grants import Grants
from mapreduce.storage.requests import Requests


class RoutedStorage:
    """All stores as one `Storage`; each is opened once, at first use.

    With `grants`, every URL outside them is refused with `RefusedURL` before any I/O.
    """

    def __init__(self, open_root: Callable[[str], Storage], grants: Grants | None = None) -> None:
        self._open_root = open_root
        self._grants = grants
        self._roots: dict[str, Storage] = {}
        # a reduce task reads from every map output, and these lie in few folders
        self._resolved = lru_cache(maxsize=1024)(os.path.realpath)
        self._opening = threading.Lock()

    @property
    def requests(self) -> Requests:
        return sum((backend.requests for backend in self._opened()), Requests())

    def with_own_count(self) -> RoutedStorage:
        return RoutedStorage(lambda root: self._backend(root).with_own_count(), self._grants)

    def head(self, url: str) -> ObjectInfo:
        return self._reading(url).head(url)

    def read(
        self, url: str, start: int = 0, end: int | None = None, *, etag: str | None = None
    ) -> bytes:
        return self._reading(url).read(url, start, end, etag=etag)

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
        return self._reading(url).stream(
            url, start, end, etag=etag, block_bytes=block_bytes, ahead=ahead
        )

    def write(
        self,
        url: str,
        data: bytes | Path,
        *,
        progress: Callable[[int], None] | None = None,
        move: bool = False,
        durable: bool = False,
    ) -> ObjectInfo:
        return self._writing(url).write(url, data, progress=progress, move=move, durable=durable)

    def create(self, url: str, data: bytes, *, durable: bool = False) -> ObjectInfo:
        return self._writing(url).create(url, data, durable=durable)

    def replace(self, url: str, data: bytes, etag: str) -> ObjectInfo:
        return self._writing(url).replace(url, data, etag)

    def copy(
        self, source: str, target: str, *, expected: ObjectInfo | None = None, durable: bool = False
    ) -> ObjectInfo:
        self._reading(source)
        return self._writing(target).copy(source, target, expected=expected, durable=durable)

    def requests_at_once(self, url: str) -> int:
        return self._reading(url).requests_at_once(url)

    def vouches(self, url: str) -> bool:
        return self._reading(url).vouches(url)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self._reading(prefix).list(prefix)

    def folders(self, prefix: str) -> Iterator[str]:
        return self._reading(prefix).folders(prefix)

    def unfinished(self, prefix: str, age_s: float) -> Iterator[ObjectInfo]:
        return self._reading(prefix).unfinished(prefix, age_s)

    def delete(self, urls: Iterable[str]) -> None:
        for url in urls:
            self._writing(url).delete([url])

    def _reading(self, url: str) -> Storage:
        if self._grants:
            self._grants.check(url, "read", self._resolved)
        return self._backend(split_url(url)[0])

    def _writing(self, url: str) -> Storage:
        if self._grants:
            self._grants.check(url, "write")
        return self._backend(split_url(url)[0])

    def _backend(self, root: str) -> Storage:
        # a lock, so that concurrent threads open one: a store has connections and credentials
        with self._opening:
            if root not in self._roots:
                self._roots[root] = self._open_root(root)
            return self._roots[root]

    def _opened(self) -> tuple[Storage, ...]:
        with self._opening:
            return tuple(self._roots.values())


def open_storage(
    grants: Grants | None = None,
    *,
    credentials: Callable[[], Any] | None = None,
    region: str | None = None,
    request_limit_s: float = REQUEST_LIMIT_S,
    retry_limit_s: float = RETRY_LIMIT_S,
    copy_large: CopyLarge | None = None,
    open_bucket: Callable[[str], Storage] | None = None,
) -> Storage:
    """Return the local file system and S3 as one storage by URL, restricted to `grants` if given.

    Opens nothing, and makes no request, before the first use. `credentials`, `region`,
    `request_limit_s`, `retry_limit_s` and `copy_large` are those of `mapreduce.storage.s3.open_s3`;
    `open_bucket` opens a bucket instead, by its name.
    """

    def open_root(root: str) -> Storage:
        # imported at first use: a job on a laptop starts without the cost of the S3 client
        if root == "file://":
            from mapreduce.storage.local import LocalStorage

            return LocalStorage()
        from mapreduce.storage.s3 import open_s3

        bucket = root.removeprefix("s3://")
        if open_bucket is not None:
            return open_bucket(bucket)
        return open_s3(
            bucket,
            credentials=credentials,
            region=region,
            request_limit_s=request_limit_s,
            retry_limit_s=retry_limit_s,
            copy_large=copy_large,
        )

    return RoutedStorage(open_root, grants)
