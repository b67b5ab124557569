"""The digest of an object's bytes, with which a reused result is verified.

It is xxh3_128, which detects any accidental change and costs less than reading the bytes. It does
not resist deliberate collisions. In S3, where a task may write less than the driver, objects are
compared by their ETags too; in a folder, an attacker who may write may write results as well.
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
    """A running digest of bytes, and their number."""

    size: int = 0
    _hash: xxhash.xxh3_128 = field(default_factory=xxhash.xxh3_128)

    def add(self, block: bytes) -> None:
        """Add bytes."""
        self.size += len(block)
        self._hash.update(block)

    def passing(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the blocks unchanged, and add them."""
        for block in blocks:
            self.add(block)
            yield block

    @property
    def text(self) -> str:
        """The digest of the bytes so far, 32 hexadecimal digits."""
        return self._hash.hexdigest()


def digest_of_file(path: Path) -> str:
    """Return the digest of a local file."""
    digest = Digest()
    with path.open("rb") as file:
        while block := file.read(_FILE_BLOCK_BYTES):
            digest.add(block)
    return digest.text


def digest_of_bytes(data: bytes) -> str:
    """Return the digest of bytes."""
    return xxhash.xxh3_128_hexdigest(data)


def digest_of_object(storage: Storage, info: ObjectInfo) -> str:
    """Read an object and return its digest; raise as `Storage.stream`."""
    digest = Digest()
    for block in storage.stream(info.url, 0, info.size, etag=info.etag, block_bytes=BLOCK_BYTES):
        digest.add(block)
    return digest.text


def check_copy(source: str, expected: ObjectInfo | None, found: Digest) -> None:
    """Check that the copied bytes are the verified ones.

    Raises:
        InputChanged: they are not.
    """
    if (
        expected is not None
        and expected.digest
        and (found.size, found.text) != (expected.size, expected.digest)
    ):
        raise InputChanged(
            f"{source} is not what its task has written: {found.size} bytes of another digest"
        )
