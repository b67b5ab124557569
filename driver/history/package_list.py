"""The sets of packages in a store: what they hold, their last run, and which are unused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from driver.history.cleaning import UNFINISHED_AGE_S, Cleaning, cleaning_of
from driver.history.run_store import RunStore
from mapreduce.errors import DataError, MapReduceError, ObjectMissing
from mapreduce.packages import Lock, PackageCache, PackageSet
from mapreduce.storage import ObjectInfo, Storage
from mapreduce.wire import keys


@dataclass(frozen=True, slots=True)
class StoredPackages:
    """One set of packages.

    Attributes:
        digest: names it, as `job.packages` of a plan does.
        packages: its wheels; None where the set is damaged.
        requirements: what was resolved to it, "" where that is not remembered.
        runs: how many runs were planned with it.
        used: when the last of them was planned, in seconds since the epoch; 0 without any.
        written: when the set was written.
    """

    digest: str
    packages: PackageSet | None
    requirements: tuple[str, ...]
    runs: int
    used: float
    written: float


def list_packages(kept: RunStore) -> tuple[list[StoredPackages], list[str]]:
    """Return the sets, the one used last at the end, and the runs that cannot be read."""
    used, unknown = _uses(kept)
    wanted = {lock.packages: lock.requirements for lock in _locks(kept)}
    found = [
        StoredPackages(
            digest=digest,
            packages=_set(kept.storage, kept.store, digest),
            requirements=wanted.get(digest, ()),
            runs=len(used[digest]),
            used=max(used[digest], default=0.0),
            written=info.modified,
        )
        for digest, info in _sets(kept)
    ]
    return sorted(found, key=lambda each: (each.used, each.written, each.digest)), unknown


def plan_unused(kept: RunStore, now: float) -> Cleaning:
    """Return the objects of packages that no run of the store was planned with.

    What is younger than a day stays: a driver may be about to plan a run with it.
    """
    sets, unknown = list_packages(kept)
    if unknown:
        notes = tuple(f"packages stay: the plan of {run} cannot be read" for run in unknown)
        return cleaning_of((), kept, notes)
    needed = {
        url
        for each in sets
        if each.runs
        for url in objects_of_set(kept.storage, kept.store, each.digest)
    }
    locks = {keys.package_lock(kept.store, key): lock for key, lock in _read_locks(kept)}
    used = {each.digest for each in sets if each.runs}
    needed |= {url for url, lock in locks.items() if lock.packages in used}
    old = now - UNFINISHED_AGE_S
    found = kept.storage.list(keys.join(kept.store, keys.PACKAGES))
    return cleaning_of(
        [info for info in found if info.url not in needed and 0 < info.modified < old], kept
    )


def objects_of_set(storage: Storage, store: str, digest: str) -> Iterator[str]:
    """Yield the URLs of a set and its wheels; nothing for no set, or one that cannot be read."""
    packages = _set(storage, store, digest) if digest else None
    if packages is not None:
        yield keys.package_set(store, digest)
        yield from (keys.wheel(store, wheel.sha256) for wheel in packages.wheels)


def _sets(kept: RunStore) -> Iterator[tuple[str, ObjectInfo]]:
    for info in kept.storage.list(keys.join(kept.store, keys.PACKAGES, "sets")):
        yield info.url.rpartition("/")[2].removesuffix(".json"), info


def _locks(kept: RunStore) -> Iterator[Lock]:
    return (lock for _, lock in _read_locks(kept))


def _read_locks(kept: RunStore) -> Iterator[tuple[str, Lock]]:
    for info in kept.storage.list(keys.join(kept.store, keys.PACKAGES, "locks")):
        try:
            lock = Lock.model_validate_json(kept.storage.read(info.url))
        except (ValidationError, ObjectMissing):
            continue
        yield info.url.rpartition("/")[2].removesuffix(".json"), lock


def _set(storage: Storage, store: str, digest: str) -> PackageSet | None:
    try:
        return PackageCache(storage, store, Path()).read(digest)
    except DataError:
        return None


def _uses(kept: RunStore) -> tuple[dict[str, list[float]], list[str]]:
    """Return when each set was planned with, and the runs whose plan cannot be read."""
    used, unknown = defaultdict[str, list[float]](list), list[str]()
    for run in kept.runs():
        try:
            plan = kept.plan(run)
        except MapReduceError:
            unknown.append(run)
            continue
        used[plan.job.packages].append(plan.created)
    return used, unknown
