"""Small objects that one stage writes for the next: read only as they were written."""

from __future__ import annotations

from mapreduce.errors import CorruptBlock, InputChanged, ObjectMissing, OutputLost
from mapreduce.storage import Storage
from mapreduce.storage.digest import digest_of_bytes
from mapreduce.wire.messages import StoredObject


def write_stored(storage: Storage, url: str, data: bytes) -> StoredObject:
    """Write an object, and return what a message holds of it."""
    info = storage.write(url, data)
    return StoredObject(url=info.url, size=info.size, etag=info.etag, digest=digest_of_bytes(data))


def read_stored(stored: StoredObject, storage: Storage) -> bytes:
    """Return the bytes of an object.

    Raises:
        OutputLost: it is missing or has changed.
        CorruptBlock: it has the ETag that it had, and other bytes.
    """
    try:
        data = storage.read(stored.url, etag=stored.etag)
    except (ObjectMissing, InputChanged) as exc:
        raise OutputLost(f"{stored.url} is missing or has changed", url=stored.url) from exc
    if digest_of_bytes(data) != stored.digest:
        raise CorruptBlock(f"{stored.url} is not what was written", url=stored.url)
    return data
