"""The packages in a store: what uses them, and what nothing uses."""

from __future__ import annotations

import os
import time
from pathlib import Path

from driver.history.cleaning import carry_out, plan_emptying
from driver.history.expiry import plan_expiry
from driver.history.package_list import list_packages, objects_of_set, plan_unused
from driver.history.run_store import RunStore
from mapreduce.packages import Lock
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.unit.driver.samples import JOB, run_plan
from tests.wheels import make_wheel, stored_set

DAY = 86_400.0


def _store(tmp_path: Path) -> tuple[RunStore, list[str]]:
    """Return a store with two sets, which share a wheel; a run was planned with the second."""
    kept = RunStore(open_storage(), f"file://{tmp_path}/store")
    one, two, three = (make_wheel(tmp_path / "in", name) for name in ("one", "two", "three"))
    digests = [
        stored_set(kept.store, tmp_path / "scratch", one, two),
        stored_set(kept.store, tmp_path / "scratch", one, three),
    ]
    for number, digest in enumerate(digests):
        lock = Lock(requirements=(f"r{number}",), platform="p", packages=digest, resolved=1.0)
        kept.storage.write(
            keys.package_lock(kept.store, str(number) * 64), lock.model_dump_json().encode()
        )
    job = JOB.model_copy(update={"packages": digests[1]})
    kept.begin(run_plan(created=time.time(), job=job, store=kept.store))
    return kept, digests


def _aged(tmp_path: Path, days: float) -> None:
    for path in (tmp_path / "store").rglob("*"):
        os.utime(path, (time.time() - days * DAY,) * 2)


def test_each_set_is_listed_with_its_use(tmp_path: Path) -> None:
    """The unused set comes first; requirements, wheels and the number of runs are known."""
    kept, digests = _store(tmp_path)
    found, unknown = list_packages(kept)
    assert [] == unknown
    assert digests == [each.digest for each in found]
    assert [("r0",), ("r1",)] == [each.requirements for each in found]
    assert [0, 1] == [each.runs for each in found]
    assert found[1].used > found[0].used == 0.0
    wheels = [each.packages.wheels for each in found if each.packages]
    assert [["one", "two"], ["one", "three"]] == [[each.name for each in some] for some in wheels]


def test_what_no_run_uses_is_deleted_after_a_day(tmp_path: Path) -> None:
    """A wheel that a used set shares stays, and so does everything that is young."""
    kept, digests = _store(tmp_path)
    assert () == plan_unused(kept, time.time()).objects
    _aged(tmp_path, 2)
    found = plan_unused(kept, time.time())
    assert 3 == len(found.objects)
    carry_out(found, kept)
    assert [digests[1]] == [each.digest for each in list_packages(kept)[0]]
    assert 3 == len(list(objects_of_set(kept.storage, kept.store, digests[1])))
    assert () == plan_unused(kept, time.time()).objects


def test_an_unreadable_plan_keeps_all_packages(tmp_path: Path) -> None:
    """What that run needs is unknown."""
    kept, _ = _store(tmp_path)
    (run,) = kept.runs()
    kept.write(run, "plan.json", b"{")
    _aged(tmp_path, 2)
    found = plan_unused(kept, time.time())
    assert ((), True) == (found.objects, run in found.notes[0])
    assert [run] == list_packages(kept)[1]


def test_a_damaged_set_is_listed_as_such(tmp_path: Path) -> None:
    """It has a digest and no wheels, and names no objects that could be kept for it."""
    kept, digests = _store(tmp_path)
    kept.storage.write(keys.package_set(kept.store, digests[0]), b"{}")
    damaged = next(each for each in list_packages(kept)[0] if each.digest == digests[0])
    assert damaged.packages is None
    assert [] == list(objects_of_set(kept.storage, kept.store, digests[0]))


def test_old_packages_expire_unless_a_run_that_stays_needs_them(tmp_path: Path) -> None:
    """`clean --older-than` keeps the set of the run, and `--everything` nothing."""
    kept, digests = _store(tmp_path)
    _aged(tmp_path, 40)
    found = {info.url for info in plan_expiry(kept, time.time() - 30 * DAY, results=False).objects}
    needed = set(objects_of_set(kept.storage, kept.store, digests[1]))
    assert not needed & found
    assert keys.package_set(kept.store, digests[0]) in found
    everything = {info.url for info in plan_emptying(kept).objects}
    assert needed <= everything
