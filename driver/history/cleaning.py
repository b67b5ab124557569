"""Finds what can be deleted from a store, and deletes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from driver.history.run_store import RunStore
from mapreduce.errors import RefusedURL
from mapreduce.storage import ObjectInfo, split_url
from mapreduce.wire import keys

UNFINISHED_AGE_S = 86_400.0
"""No write takes a day: an older unfinished file was left by a process that has ended."""


@dataclass(frozen=True, slots=True)
class Cleaning:
    """The objects to delete; `strange` ones have a name that no URL can hold, and stay."""

    objects: tuple[ObjectInfo, ...]
    strange: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """The size of all objects."""
        return sum(info.size for info in self.objects)


def plan_cleaning(runs: RunStore, names: Iterable[str], *, results: bool) -> Cleaning:
    """Return the objects of runs: chunk files and map outputs, with `results` also the records.

    The results of tasks that point at deleted objects become useless; a later run notices that, and
    runs those tasks again. Unfinished files of killed processes are deleted too, anywhere in the
    store.
    """
    found: list[ObjectInfo] = []
    for run in [each for name in names for each in (name, *runs.steps(name))]:
        folders = [
            keys.chunks(runs.store, run),
            *keys.maps(runs.store, run),
            keys.pairs(runs.store, run),
        ]
        if results:
            records = keys.run_file(runs.store, run, "").rstrip("/")
            folders += [keys.results(runs.store, run), records]
        for folder in folders:
            found += runs.storage.list(folder)
    return _cleaning(found, runs)


def plan_emptying(runs: RunStore) -> Cleaning:
    """Return everything that this program has ever written to the store."""
    of_tasks = (keys.CHUNKS, keys.MAPS, keys.PAIRS, keys.REDUCE)
    folders = (keys.INPUT, *of_tasks, keys.RUNS, keys.JOBS, keys.TASKS)
    found = (info for name in folders for info in runs.storage.list(keys.join(runs.store, name)))
    return _cleaning(found, runs)


def _cleaning(found: Iterable[ObjectInfo], runs: RunStore) -> Cleaning:
    every = [*found, *runs.storage.unfinished(runs.store, UNFINISHED_AGE_S)]
    good = [info for info in every if _can_be_named(info.url)]
    return Cleaning(tuple(good), tuple(info.url for info in every if not _can_be_named(info.url)))


def _can_be_named(url: str) -> bool:
    try:
        split_url(url)
    except RefusedURL:
        return False
    return True


def carry_out(cleaning: Cleaning, runs: RunStore) -> None:
    """Delete the objects."""
    runs.storage.delete(info.url for info in cleaning.objects)
