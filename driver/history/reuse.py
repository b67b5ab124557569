"""Finished tasks of earlier runs, under their content-addressed keys; checked before use.

A result refers to objects: what its task has written. It is used only if each object still holds
the bytes that were written, by its length and digest; in a store with trustworthy ETags (S3), by
length and ETag.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from pydantic import ValidationError

from driver.plan.outcomes import AnyResult
from driver.plan.tasks import TaskSpec
from mapreduce.errors import InputChanged, ObjectMissing
from mapreduce.storage import ObjectInfo, Storage
from mapreduce.storage.digest import digest_of_bytes, digest_of_object
from mapreduce.wire import keys
from mapreduce.wire.messages import (
    ByteRange,
    MapResult,
    ReduceResult,
    SplitResult,
    StoredObject,
    parse_result,
)

LOOKUPS = 16
"""Objects that are looked up at the same time."""


class FinishedTasks:
    """The `tasks/` folder of a store."""

    def __init__(self, storage: Storage, store: str) -> None:
        self._storage = storage
        self._store = store

    def remember(self, spec: TaskSpec, result: AnyResult) -> None:
        """Keep a task's result for later runs."""
        self._storage.write(keys.task(self._store, spec.key), to_record(spec.key, result))

    def find(self, specs: Sequence[TaskSpec]) -> dict[int, AnyResult]:
        """Return the results that can be reused, by the index of their task."""
        with ThreadPoolExecutor(LOOKUPS) as pool:
            found = pool.map(self._find_one, specs)
            return {
                spec.index: result
                for spec, result in zip(specs, found, strict=True)
                if result is not None
            }

    def lost(self, results: Sequence[AnyResult]) -> set[int]:
        """Return the numbers of the results that have an object which is gone or has changed."""
        with ThreadPoolExecutor(LOOKUPS) as pool:
            whole = pool.map(self._is_whole, results)
            return {number for number, good in enumerate(whole) if not good}

    def _find_one(self, spec: TaskSpec) -> AnyResult | None:
        try:
            result = from_record(spec.key, self._storage.read(keys.task(self._store, spec.key)))
        except ObjectMissing:
            return None
        return result if result is not None and self._is_whole(result) else None

    def _is_whole(self, result: AnyResult) -> bool:
        return all(is_whole(self._storage, each) for each in objects_of(result))


def to_record(key: str, result: AnyResult) -> bytes:
    """Return a result as a record: a digest of the task's key and the JSON text, and the text."""
    text = result.model_dump_json().encode()
    return _seal(key, text) + b"\n" + text


def from_record(key: str, data: bytes) -> AnyResult | None:
    """Return the result that was kept under a key.

    None when a byte of it has changed, when it was copied from another key, and when another
    version has written it.
    """
    digest, _, text = data.partition(b"\n")
    if _seal(key, text) != digest:
        return None
    try:
        return parse_result.validate_json(text)
    except ValidationError:
        return None


def _seal(key: str, text: bytes) -> bytes:
    return digest_of_bytes(key.encode() + b"\n" + text).encode()


def is_whole(storage: Storage, expected: ObjectInfo) -> bool:
    """Return whether an object still holds the bytes that were written.

    Args:
        storage: reads it, unless it vouches for the object's ETag.
        expected: its length, ETag and digest when it was written.
    """
    try:
        found = storage.head(expected.url)
        if (found.size, found.etag) != (expected.size, expected.etag):
            return False
        if storage.vouches(expected.url):
            return True
        return bool(expected.digest) and digest_of_object(storage, found) == expected.digest
    except (ObjectMissing, InputChanged):
        return False


def part_of(result: MapResult | ReduceResult) -> ObjectInfo:
    """Return the object of a task as the task has written it."""
    return ObjectInfo(result.url, result.size, result.etag, result.digest)


def objects_of(result: AnyResult) -> Iterable[ObjectInfo]:
    """Return the objects that a task has written.

    The run's inputs are left out: the driver has just looked at them.
    """
    if isinstance(result, SplitResult):
        written: list[ByteRange | StoredObject] = [
            piece for split in result.splits for piece in split.pieces if piece.url != piece.source
        ]
        if result.boundaries is not None:
            written.append(result.boundaries)
        return dict.fromkeys(
            ObjectInfo(each.url, each.size, each.etag, each.digest) for each in written
        )
    if not result.url:
        return []
    pairs = result.pairs
    return [
        part_of(result),
        *([ObjectInfo(pairs.url, pairs.size, pairs.etag, pairs.digest)] if pairs else []),
    ]
