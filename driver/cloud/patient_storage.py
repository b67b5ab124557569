"""A store in S3 whose requests survive the end of the credentials, if a sign-in follows.

After a sign-in the store is opened anew: an open one keeps its credentials for a while.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from driver.transport.endpoint import SignInEnded
from mapreduce.errors import ObjectExists, ObjectMissing, StorageError
from mapreduce.storage import ObjectInfo, Requests, Storage
from mapreduce.storage.base import BLOCK_BYTES

T = TypeVar("T")
Renewed = Callable[[int], bool]
"""Returns whether a failed request may succeed now, after a wait for new credentials; takes the
number of renewals that the request has seen."""


class PatientStorage:
    """A `Storage`; what its methods return and raise is that of the storage that it opens.

    Args:
        open_storage: opens it, with the credentials of now.
        renewals: how often the credentials have been renewed.
    """

    def __init__(self, open_storage: Callable[[], Storage], renewals: Callable[[], int]) -> None:
        self._open = open_storage
        self._renewals = renewals
        self._opening = threading.Lock()
        self._renewed: Renewed | None = None
        self._before = Requests()
        self._seen, self._storage = renewals(), open_storage()

    @contextmanager
    def waiting_for(self, renewed: Renewed) -> Iterator[None]:
        """Within the block, ask after each failed request whether to send it again."""
        self._renewed = renewed
        try:
            yield
        finally:
            self._renewed = None

    @property
    def requests(self) -> Requests:
        with self._opening:
            return self._before + self._storage.requests

    def with_own_count(self) -> Storage:
        return self._current()[0].with_own_count()

    def head(self, url: str) -> ObjectInfo:
        return self._ask(lambda storage: storage.head(url))

    def read(
        self, url: str, start: int = 0, end: int | None = None, *, etag: str | None = None
    ) -> bytes:
        return self._ask(lambda storage: storage.read(url, start, end, etag=etag))

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
        at = start
        while at < end:
            storage, seen = self._current()
            try:
                for block in storage.stream(
                    url, at, end, etag=etag, block_bytes=block_bytes, ahead=ahead
                ):
                    at += len(block)
                    yield block
                return
            except (ObjectMissing, ObjectExists):
                raise
            except (StorageError, SignInEnded):
                # without an ETag, the blocks after a sign-in could be those of another version
                if (at > start and not etag) or not self._may_ask_again(seen):
                    raise

    def write(
        self,
        url: str,
        data: bytes | Path,
        *,
        progress: Callable[[int], None] | None = None,
        move: bool = False,
        durable: bool = False,
    ) -> ObjectInfo:
        return self._ask(
            lambda storage: storage.write(url, data, progress=progress, move=move, durable=durable)
        )

    def create(self, url: str, data: bytes, *, durable: bool = False) -> ObjectInfo:
        return self._ask(lambda storage: storage.create(url, data, durable=durable))

    def replace(self, url: str, data: bytes, etag: str) -> ObjectInfo:
        return self._ask(lambda storage: storage.replace(url, data, etag))

    def copy(
        self, source: str, target: str, *, expected: ObjectInfo | None = None, durable: bool = False
    ) -> ObjectInfo:
        return self._ask(
            lambda storage: storage.copy(source, target, expected=expected, durable=durable)
        )

    def requests_at_once(self, url: str) -> int:
        return self._current()[0].requests_at_once(url)

    def vouches(self, url: str) -> bool:
        return self._current()[0].vouches(url)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return iter(self._ask(lambda storage: tuple(storage.list(prefix))))

    def folders(self, prefix: str) -> Iterator[str]:
        return iter(self._ask(lambda storage: tuple(storage.folders(prefix))))

    def unfinished(self, prefix: str, age_s: float) -> Iterator[ObjectInfo]:
        return iter(self._ask(lambda storage: tuple(storage.unfinished(prefix, age_s))))

    def delete(self, urls: Iterable[str]) -> None:
        for url in urls:
            self._ask(lambda storage, url=url: storage.delete([url]))  # type: ignore[misc]

    def _ask(self, request: Callable[[Storage], T]) -> T:
        """Send a request, again after each sign-in that it needs."""
        while True:
            storage, seen = self._current()
            try:
                return request(storage)
            except (ObjectMissing, ObjectExists):
                raise
            except (StorageError, SignInEnded):
                if not self._may_ask_again(seen):
                    raise

    def _may_ask_again(self, seen: int) -> bool:
        return self._renewed is not None and self._renewed(seen)

    def _current(self) -> tuple[Storage, int]:
        """Return the storage, opened since the last renewal, and the number of renewals."""
        with self._opening:
            if self._seen != (renewals := self._renewals()):
                opened = self._open()
                self._before += self._storage.requests
                self._seen, self._storage = renewals, opened
            return self._storage, self._seen
