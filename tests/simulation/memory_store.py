"""A store in memory that loses answers, fails, and whose objects rot or vanish, as its weather
says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from mapreduce.errors import InputChanged, ObjectExists, ObjectMissing, StorageError
from mapreduce.storage import ObjectInfo, Requests
from mapreduce.storage.base import BLOCK_BYTES
from mapreduce.storage.digest import digest_of_bytes

Strike = Callable[[str, str], str]
"""Decides on an operation and a URL: "" carries it out, "fail" fails it, "lose" carries it out and
loses the answer.
"""


class MemoryStorage:
    """Objects by URL. Arguments, results and errors are those of the `Storage` protocol.

    Args:
        strike: chooses the fault of each operation.
        vouching: whether an ETag guarantees the bytes.
        wall: the store's clock, in seconds since the epoch; by default, it stands at 0.
    """

    requests = Requests()

    def __init__(
        self, strike: Strike, *, vouching: bool, wall: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._strike = strike
        self._vouching = vouching
        self._objects: dict[str, tuple[bytes, str]] = {}
        self._wall = wall
        self._modified: dict[str, float] = {}
        self._writes = 0

    def with_own_count(self) -> MemoryStorage:
        """Return the same store."""
        return self

    def head(self, url: str) -> ObjectInfo:
        """Return an object's size and ETag, and when it was written."""
        self._before("head", url)
        data, etag = self._object(url)
        return ObjectInfo(url, len(data), etag, modified=self._modified[url])

    def read(
        self, url: str, start: int = 0, end: int | None = None, *, etag: str | None = None
    ) -> bytes:
        """Return bytes of an object."""
        self._before("read", url)
        data, found = self._object(url)
        if etag and found != etag:
            raise InputChanged(f"{url} has changed")
        return data[start:end]

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
        """Yield bytes of an object."""
        yield self.read(url, start, end, etag=etag)

    def write(
        self,
        url: str,
        data: bytes | Path,
        *,
        progress: Callable[[int], None] | None = None,
        move: bool = False,
        durable: bool = False,
    ) -> ObjectInfo:
        """Write an object."""
        lost = self._before("write", url)
        content = data if isinstance(data, bytes) else data.read_bytes()
        return self._put(url, content, lost=lost)

    def create(self, url: str, data: bytes, *, durable: bool = False) -> ObjectInfo:
        """Write an object that does not exist."""
        lost = self._before("create", url)
        if url in self._objects:
            raise ObjectExists(f"there is an object {url} already")
        return self._put(url, data, lost=lost)

    def replace(self, url: str, data: bytes, etag: str) -> ObjectInfo:
        """Write an object over the one with this ETag."""
        lost = self._before("replace", url)
        if url not in self._objects or self._objects[url][1] != etag:
            raise InputChanged(f"{url} has changed")
        return self._put(url, data, lost=lost)

    def copy(
        self, source: str, target: str, *, expected: ObjectInfo | None = None, durable: bool = False
    ) -> ObjectInfo:
        """Copy an object."""
        lost = self._before("copy", target)
        data, etag = self._object(source)
        if expected is not None:
            same = (
                etag == expected.etag
                if self._vouching
                else digest_of_bytes(data) == expected.digest
            )
            if not same:
                raise InputChanged(f"{source} is not what its task has written")
        info = self._put(target, data, lost=lost)
        return ObjectInfo(info.url, info.size, info.etag, expected.digest if expected else "")

    def requests_at_once(self, url: str) -> int:
        return 1

    def vouches(self, url: str) -> bool:
        """Return whether an ETag guarantees the bytes."""
        return self._vouching

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects below a URL."""
        found = sorted(url for url in self._objects if url.startswith(prefix.rstrip("/") + "/"))
        return iter([self.head(url) for url in found])

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield the folders in a folder."""
        root = prefix.rstrip("/") + "/"
        below = (url.removeprefix(root) for url in self._objects if url.startswith(root))
        return iter(sorted({name.partition("/")[0] for name in below if "/" in name}))

    def unfinished(self, prefix: str, age_s: float) -> Iterator[ObjectInfo]:
        """Yield nothing: every write is complete."""
        return iter(())

    def delete(self, urls: Iterable[str]) -> None:
        """Delete objects."""
        for url in urls:
            self._objects.pop(url, None)

    # -- the world's faults ------------------------------------------------------------------------

    def put(self, url: str, data: bytes) -> ObjectInfo:
        """Write an object, without a fault."""
        return self._put(url, data, lost=False)

    def urls(self, part: str) -> Sequence[str]:
        """Return the URLs that contain a text, in order."""
        return sorted(url for url in self._objects if part in url)

    def rot(self, url: str, at: int) -> None:
        """Change one byte; if ETags do not guarantee the bytes, the ETag stays."""
        data, etag = self._objects[url]
        changed = bytearray(data)
        changed[at % len(data)] ^= 0x11
        self._objects[url] = bytes(changed), f"{etag}'" if self._vouching else etag

    def content(self, url: str) -> bytes:
        """Return an object's bytes, without a fault."""
        return self._objects[url][0]

    def _before(self, operation: str, url: str) -> bool:
        struck = self._strike(operation, url)
        if struck == "fail":
            raise StorageError(f"the store failed at {url}: drawn")
        return struck == "lose"

    def _object(self, url: str) -> tuple[bytes, str]:
        if url not in self._objects:
            raise ObjectMissing(f"there is no object {url}")
        return self._objects[url]

    def _put(self, url: str, data: bytes, *, lost: bool) -> ObjectInfo:
        self._writes += 1
        self._objects[url] = data, f"etag-{self._writes}"
        self._modified[url] = self._wall()
        if lost:
            raise StorageError(f"the store did not answer at {url}: drawn")
        return ObjectInfo(url, len(data), self._objects[url][1])
