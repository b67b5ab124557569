"""Finds what can be deleted from a store, and deletes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

from driver.history.run_names import chain_of, is_run_name, whole_of
from driver.history.run_store import RunStore
from mapreduce.errors import RefusedURL
from mapreduce.storage import ObjectInfo, split_url
from mapreduce.wire import keys

UNFINISHED_AGE_S = 86_400.0
"""No write takes a day: an older unfinished file was left by a process that has ended."""


@dataclass(frozen=True, slots=True)
class Cleaning:
    """The objects to delete; `strange` ones have a name that no URL can hold, and stay.

    `notes` say what stays, and why.
    """

    objects: tuple[ObjectInfo, ...]
    strange: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

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
    known = runs.runs()
    names = set(names)
    wholes = {whole_of(name) for name in names if not chain_of(name)}
    # the epochs of a run go with it: without the newest, an older one would count again
    wanted = names | {each for each in known if whole_of(each) in wholes}
    if wanted.issuperset(name for name in known if is_run_name(name)):
        found = _objects_of_all(wanted, runs, results=results)
    else:
        urls = [url for run in sorted(wanted) for url in _folders(runs.store, run, results)]
        found = (info for url in urls for info in runs.storage.list(url))
    return cleaning_of(found, runs)


def _folders(store: str, run: str, results: bool) -> list[str]:
    """Return the folders of a run."""
    folders = [keys.chunks(store, run), *keys.maps(store, run), keys.pairs(store, run)]
    records = [keys.run_file(store, run, "").rstrip("/"), keys.indexed(store, run, "")]
    return [*folders, keys.results(store, run), *records] if results else folders


def _objects_of_all(wanted: Set[str], runs: RunStore, *, results: bool) -> Iterator[ObjectInfo]:
    """Yield the objects of all runs: a list of each whole folder takes fewer requests."""
    kept = [keys.REDUCE, keys.RUNS, keys.INDEX] if results else []
    names = [keys.CHUNKS, keys.MAPS, keys.PAIRS, *kept]
    for folder in (keys.join(runs.store, name) for name in names):
        for info in runs.storage.list(folder):
            first, *rest = info.url.removeprefix(f"{folder}/").split("/")
            # map outputs lie in several folders, and in each of them by run
            if (rest[0] if rest and first in keys.MAP_FOLDERS else first) in wanted:
                yield info


def plan_emptying(runs: RunStore) -> Cleaning:
    """Return everything that this program has ever written to the store."""
    of_tasks = (keys.CHUNKS, keys.MAPS, keys.PAIRS, keys.REDUCE)
    of_runs = (keys.RUNS, keys.INDEX, keys.FORECASTS)
    folders = (keys.INPUT, *of_tasks, *of_runs, keys.JOBS, keys.PACKAGES, keys.TASKS)
    found = (info for name in folders for info in runs.storage.list(keys.join(runs.store, name)))
    return cleaning_of(found, runs)


def cleaning_of(
    found: Iterable[ObjectInfo], runs: RunStore, notes: tuple[str, ...] = ()
) -> Cleaning:
    """Return the cleaning of these objects, and of unfinished files of killed processes."""
    every = [*found, *runs.storage.unfinished(runs.store, UNFINISHED_AGE_S)]
    good = [info for info in every if _can_be_named(info.url)]
    strange = tuple(info.url for info in every if not _can_be_named(info.url))
    return Cleaning(tuple(good), strange, notes)


def _can_be_named(url: str) -> bool:
    try:
        split_url(url)
    except RefusedURL:
        return False
    return True


def by_folder(cleaning: Cleaning, store: str) -> dict[str, tuple[int, int]]:
    """Return how many objects of each of the store's folders are deleted, and their bytes."""
    found: dict[str, tuple[int, int]] = {}
    for info in cleaning.objects:
        folder = info.url.removeprefix(f"{store.rstrip('/')}/").partition("/")[0]
        count, size = found.get(folder, (0, 0))
        found[folder] = (count + 1, size + info.size)
    return dict(sorted(found.items()))


def carry_out(cleaning: Cleaning, runs: RunStore) -> None:
    """Delete the objects."""
    runs.storage.delete(info.url for info in cleaning.objects)
