"""Finds what is old in a store, and no longer needed. Lists each folder once.

Never finds what a run that stays needs: its results and records, and its input and code. A task
record older than the limit goes, so objects that younger records name are younger than the limit
too: a record is written right after its task's objects.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

from driver.history.cleaning import UNFINISHED_AGE_S, Cleaning, cleaning_of
from driver.history.package_list import objects_of_set
from driver.history.run_names import whole_of
from driver.history.run_store import RunStore
from mapreduce.errors import MapReduceError
from mapreduce.storage import ObjectInfo
from mapreduce.wire import keys

LEAST_AGE_S = UNFINISHED_AGE_S
"""No run takes so long: younger objects may be those of one that is going on."""
_SHARED = (keys.INPUT, keys.JOBS, keys.PACKAGES)
_OF_RUNS = (keys.CHUNKS, keys.MAPS, keys.PAIRS, keys.REDUCE, keys.RUNS, keys.INDEX)
_FOLDERS = (*_SHARED, *_OF_RUNS, keys.TASKS, keys.FORECASTS)


@dataclass(frozen=True, slots=True)
class _Listed:
    """The objects of this program in a store.

    Attributes:
        of_runs: those in the folders of runs, by the run.
        recorded: the runs that have records.
        shared: uploaded inputs, packed code and packages.
        reusable: task records, merged states, and what forecasts go by.
    """

    of_runs: Mapping[str, list[tuple[str, ObjectInfo]]]
    recorded: Set[str]
    shared: tuple[ObjectInfo, ...]
    reusable: tuple[ObjectInfo, ...]


def plan_expiry(runs: RunStore, before: float, *, results: bool) -> Cleaning:
    """Return what was written before a time and is no longer needed.

    A run is old when all that it, its steps and its epochs have written is a day older than that.
    Of old runs, everything goes but results and records; with `results`, these too. Uploaded
    inputs, packed code and packages go when they are old, and no run that stays was planned with
    them.

    Args:
        runs: the store.
        before: a time, in seconds since the epoch.
        results: whether old results are no longer needed either.
    """
    listed = _list_all(runs)
    old = _old_runs(listed.of_runs, before - UNFINISHED_AGE_S)
    stay = [run for run in sorted(listed.recorded) if not (results and run in old)]
    needed, unknown = _needed_by(stay, runs)
    found = [
        info
        for run in sorted(old)
        for key, info in listed.of_runs[run]
        if results or not _is_kept(key)
    ]
    found += [info for info in listed.reusable if _is_before(info, before)]
    if not unknown:
        shared = (info for info in listed.shared if _is_before(info, before))
        found += [info for info in shared if info.url not in needed]
    notes = tuple(f"inputs and code stay: the plan of {run} cannot be read" for run in unknown)
    return cleaning_of(found, runs, notes)


def _list_all(runs: RunStore) -> _Listed:
    of_runs = defaultdict[str, list[tuple[str, ObjectInfo]]](list)
    recorded, shared, reusable = set[str](), list[ObjectInfo](), list[ObjectInfo]()
    root = f"{runs.store.rstrip('/')}/"
    for info in _all(runs, root):
        key = info.url.removeprefix(root)
        if not keys.is_own(key):
            continue
        if run := keys.run_of(key):
            of_runs[run].append((key, info))
            if key.startswith(f"{keys.RUNS}/"):
                recorded.add(run)
        elif key.startswith(tuple(f"{folder}/" for folder in _SHARED)):
            shared.append(info)
        else:
            reusable.append(info)
    return _Listed(of_runs, recorded, tuple(shared), tuple(reusable))


def _all(runs: RunStore, root: str) -> Iterator[ObjectInfo]:
    return (info for folder in _FOLDERS for info in runs.storage.list(f"{root}{folder}"))


def _old_runs(of_runs: Mapping[str, list[tuple[str, ObjectInfo]]], before: float) -> Set[str]:
    """Return the runs of which everything was written before; steps and epochs belong to one."""
    young = {
        whole_of(run)
        for run, objects in of_runs.items()
        if not all(_is_before(info, before) for _, info in objects)
    }
    return {run for run in of_runs if whole_of(run) not in young}


def _is_before(info: ObjectInfo, before: float) -> bool:
    """Return whether an object was written before a time; one of unknown age was not."""
    return 0 < info.modified < before


def _is_kept(key: str) -> bool:
    """Return whether an object of an old run is a result or a record of the run."""
    folder = key.partition("/")[0]
    if folder == keys.REDUCE:
        return not keys.is_attempt(key)
    return folder in (keys.RUNS, keys.INDEX)


def _needed_by(names: Iterable[str], runs: RunStore) -> tuple[Set[str], list[str]]:
    """Return what is shared by runs and needed by these, and the runs of unreadable plans."""
    needed, sets, unknown = set[str](), set[str](), list[str]()
    for name in names:
        try:
            plan = runs.plan(name)
        except MapReduceError:
            unknown.append(name)
            continue
        needed.add(keys.code(runs.store, plan.job.code))
        sets.add(plan.job.packages)
        needed.update(given.url for given in plan.inputs)
    for digest in sets:
        needed.update(objects_of_set(runs.storage, runs.store, digest))
    return needed, unknown
