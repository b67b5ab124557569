"""The operations of a store, over any backend of obstore; `local` and `s3` only say how to open one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError, PreconditionError

from mapreduce.errors import InputChanged, ObjectExists, ObjectMissing, StorageError
from mapreduce.storage.base import BLOCK_BYTES, ObjectInfo, split_url

if TYPE_CHECKING:
    from obstore.store import ObjectStore

PART_BYTES = 16 << 20
"""Above this a write is multipart, in parts of this size."""


class ObstoreStorage:
    """One bucket, or the local file system. Arguments, results and errors are those of the `Storage` protocol.

    Args:
        store: the obstore backend.
        root: the URL that keys hang below, e.g. `s3://bucket`.
    """

    def __init__(self, store: ObjectStore, root: str) -> None:
        self._store = store
        self._root = root

    def head(self, url: str) -> ObjectInfo:
        with _translated(url):
            meta = obstore.head(self._store, self._key(url))
        return ObjectInfo(url, meta["size"], meta["e_tag"] or "")

    def read(self, url: str, start: int = 0, end: int | None = None, *, etag: str | None = None) -> bytes:
        if end is not None:
            return b"".join(self.stream(url, start, end, etag=etag, block_bytes=max(end - start, 1)))
        options: obstore.GetOptions = {"if_match": etag} if etag else {}
        if start:
            options["range"] = {"offset": start}
        with _translated(url):
            return bytes(obstore.get(self._store, self._key(url), options=options).bytes())

    def stream(
        self, url: str, start: int, end: int, *, etag: str | None = None, block_bytes: int = BLOCK_BYTES
    ) -> Iterator[bytes]:
        if end <= start:
            return
        options: obstore.GetOptions = {"range": (start, end)}
        if etag:
            options["if_match"] = etag
        seen = 0
        with _translated(url):
            for block in obstore.get(self._store, self._key(url), options=options).stream(block_bytes):
                seen += len(block)
                yield bytes(block)
        if seen != end - start:
            raise InputChanged(f"{url} ended {end - start - seen} bytes before byte {end}: it was cut short; run again")

    def write(self, url: str, data: bytes | Path, *, progress: Callable[[int], None] | None = None) -> ObjectInfo:
        size = data.stat().st_size if isinstance(data, Path) else len(data)
        body = _blocks_of(data, progress) if isinstance(data, Path) and progress else data
        with _translated(url):
            put = obstore.put(self._store, self._key(url), body, use_multipart=size > PART_BYTES, chunk_size=PART_BYTES)
        return ObjectInfo(url, size, put["e_tag"] or "")

    def create(self, url: str, data: bytes) -> ObjectInfo:
        with _translated(url):
            put = obstore.put(self._store, self._key(url), data, mode="create")
        return ObjectInfo(url, len(data), put["e_tag"] or "")

    def copy(self, source: str, target: str) -> ObjectInfo:
        with _translated(source):
            obstore.copy(self._store, self._key(source), self._key(target))
        return self.head(target)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        folder = self._key(prefix).strip("/")
        found: list[ObjectInfo] = []
        with _translated(prefix):
            for batch in obstore.list(self._store, prefix=folder or None):
                found += [ObjectInfo(self._url(str(meta["path"])), meta["size"], meta["e_tag"] or "") for meta in batch]
        return iter(sorted(found, key=lambda info: info.url))

    def delete(self, urls: Iterable[str]) -> None:
        for url in urls:
            try:
                with _translated(url):
                    obstore.delete(self._store, self._key(url))
            except ObjectMissing:
                continue

    def _key(self, url: str) -> str:
        root, key = split_url(url)
        if root != self._root:
            raise StorageError(f"{url} is not in {self._root}")
        return key.lstrip("/") if root == "file://" else key

    def _url(self, path: str) -> str:
        return f"{self._root}/{path}"


def _blocks_of(path: Path, progress: Callable[[int], None]) -> Iterator[bytes]:
    """A file's content; tells how much of it has been asked for."""
    sent = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block
            sent += len(block)
            progress(sent)


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """The one door through which obstore's errors become ours."""
    try:
        yield
    except (NotFoundError, FileNotFoundError) as exc:
        raise ObjectMissing(f"there is no object {url}") from exc
    except AlreadyExistsError as exc:
        raise ObjectExists(f"there is an object {url} already") from exc
    except PreconditionError as exc:
        raise InputChanged(f"{url} has changed since the run was planned; run again to take it as it is now") from exc
    except (BaseError, OSError, ValueError) as exc:
        raise StorageError(f"the store failed at {url}: {_first_line(exc)}") from exc


def _first_line(exc: BaseException) -> str:
    return next((line.strip() for line in str(exc).splitlines() if line.strip()), type(exc).__name__)[:500]
