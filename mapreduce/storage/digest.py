"""The digest of an object's bytes: what a result that is found again is held against.

It is xxh3_128, which finds any accident to the bytes and costs less than to read them. It does not withstand somebody
who makes two contents of one digest on purpose; who may write to the store may write results as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import xxhash

from mapreduce.errors import InputChanged
from mapreduce.storage.base import BLOCK_BYTES, ObjectInfo, Storage

_FILE_BLOCK_BYTES = 1 << 20


@dataclass(slots=True)
class Digest:
    """A digest of bytes as they go by, and how many they are."""

    size: int = 0
    _hash: xxhash.xxh3_128 = field(default_factory=xxhash.xxh3_128)

    def add(self, block: bytes) -> None:
        """Count some more bytes."""
        self.size += len(block)
        self._hash.update(block)

    def passing(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the same blocks, and count them."""
        for block in blocks:
            self.add(block)
            yield block

    @property
    def text(self) -> str:
        """The digest of the bytes so far, 32 hexadecimal digits."""
        return self._hash.hexdigest()


def digest_of_file(path: Path) -> str:
    """Return the digest of a file of this machine."""
    digest = Digest()
    with path.open("rb") as file:
        while block := file.read(_FILE_BLOCK_BYTES):
            digest.add(block)
    return digest.text


def digest_of_bytes(data: bytes) -> str:
    """Return the digest of bytes."""
    return xxhash.xxh3_128_hexdigest(data)


def digest_of_object(storage: Storage, info: ObjectInfo) -> str:
    """Return the digest of an object, which is read; raises as `Storage.stream` does."""
    digest = Digest()
    for block in storage.stream(info.url, 0, info.size, etag=info.etag, block_bytes=BLOCK_BYTES):
        digest.add(block)
    return digest.text


def check_copy(source: str, expected: ObjectInfo | None, found: Digest) -> None:
    """Raise `InputChanged` unless the bytes that were copied are those that were proven."""
    if (
        expected is not None
        and expected.digest
        and (found.size, found.text) != (expected.size, expected.digest)
    ):
        raise InputChanged(
            f"{source} is not what its task has written: {found.size} bytes of another digest"
        )
