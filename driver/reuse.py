"""Finished tasks of earlier runs: found by content-addressed keys, and trusted only while their objects are there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from pydantic import ValidationError

from driver.attempts import AnyResult
from driver.planning import TaskSpec
from mapreduce import keys
from mapreduce.errors import ObjectMissing
from mapreduce.messages import SplitResult, parse_result
from mapreduce.storage import Storage

LOOKUPS = 16
"""Objects looked up at the same time."""


class FinishedTasks:
    """The `tasks/` folder of a store."""

    def __init__(self, storage: Storage, store: str) -> None:
        self._storage = storage
        self._store = store

    def remember(self, spec: TaskSpec, result: AnyResult) -> None:
        """Keeps a task's result for later runs."""
        self._storage.write(keys.task(self._store, spec.key), result.model_dump_json().encode())

    def find(self, specs: Sequence[TaskSpec]) -> dict[int, AnyResult]:
        """The results that are still good, by the index of their task."""
        with ThreadPoolExecutor(LOOKUPS) as pool:
            found = pool.map(self._find_one, specs)
            return {spec.index: result for spec, result in zip(specs, found, strict=True) if result is not None}

    def lost(self, results: Sequence[AnyResult]) -> set[int]:
        """The numbers of the results one of whose objects is gone, or is another."""
        with ThreadPoolExecutor(LOOKUPS) as pool:
            whole = pool.map(self._is_whole, results)
            return {number for number, good in enumerate(whole) if not good}

    def _find_one(self, spec: TaskSpec) -> AnyResult | None:
        try:
            result = parse_result.validate_json(self._storage.read(keys.task(self._store, spec.key)))
        except (ObjectMissing, ValidationError):
            return None
        return result if self._is_whole(result) else None

    def _is_whole(self, result: AnyResult) -> bool:
        try:
            return all(self._storage.head(url).etag == etag for url, etag in _objects(result))
        except ObjectMissing:
            return False


def _objects(result: AnyResult) -> Iterable[tuple[str, str]]:
    """The objects that a result stands on, without the run's inputs: the driver has just looked at those."""
    if isinstance(result, SplitResult):
        pieces = (piece for split in result.splits for piece in split.pieces if piece.url != piece.source)
        return dict.fromkeys((piece.url, piece.etag) for piece in pieces)
    written = [(result.url, result.etag)]
    return [*written, (result.pairs.url, result.pairs.etag)] if result.pairs else written
