"""Which objects `clean` deletes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from driver.history.cleaning import Cleaning, carry_out, plan_cleaning, plan_emptying
from driver.history.run_store import RunStore
from mapreduce.storage import ObjectInfo, open_storage
from mapreduce.storage.local import LocalStorage
from mapreduce.wire import keys

KEPT = [
    ("chunks", "chunk-0.txt"),
    ("maps/b", "map-00000.attempt-0"),
    ("pairs", "pairs-00000.attempt-0"),
]
"""What each run keeps, besides its results and records."""
RECORDED = [("reduce", "result.json"), ("runs", "plan.json")]


@pytest.mark.parametrize("everything", [False, True])
def test_files_of_killed_processes_are_deleted(tmp_path: Path, *, everything: bool) -> None:
    """An old temporary file of a killed write is deleted too, and a recent one is kept."""
    old, new = (tmp_path / "tasks" / f".mapreduce-{digit * 16}.unfinished" for digit in "01")
    old.parent.mkdir()
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    runs = RunStore(open_storage(), f"file://{tmp_path}")
    cleaning = plan_emptying(runs) if everything else plan_cleaning(runs, [], results=False)
    assert [f"file://{old}"] == [info.url for info in cleaning.objects]
    carry_out(cleaning, runs)
    assert [new] == list(old.parent.iterdir())


@pytest.mark.parametrize("everything", [False, True])
def test_objects_with_strange_names_do_not_stop_the_others(
    tmp_path: Path, *, everything: bool
) -> None:
    """An object whose name no URL can hold is kept and reported, and the others are deleted."""
    runs = RunStore(open_storage(), f"file://{tmp_path}")
    for name in ("good", "od\x1bd"):
        path = tmp_path / "maps" / "a" / "run-1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"pairs")
    cleaning = plan_emptying(runs) if everything else plan_cleaning(runs, ["run-1"], results=False)
    assert cleaning.strange == (f"file://{tmp_path}/maps/a/run-1/od\x1bd",)
    carry_out(cleaning, runs)
    assert [path.name for path in (tmp_path / "maps" / "a" / "run-1").iterdir()] == ["od\x1bd"]


class _Counted(LocalStorage):
    """Files that count how often a folder of them is listed."""

    lists = 0

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Count, and list."""
        self.lists += 1
        return super().list(prefix)


def _store(folder: Path, count: int) -> tuple[RunStore, _Counted, list[str]]:
    """A store with so many runs, each with an object in each of its folders."""
    names = [f"run-20261126-{number:06d}-calm-owl" for number in range(count)]
    for name in names:
        _fill(folder, name)
    storage = _Counted()
    return RunStore(storage, f"file://{folder}"), storage, names


def _fill(folder: Path, name: str) -> None:
    for kind, file in KEPT + RECORDED:
        path = folder / kind / name / file
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")


def _found(cleaning: Cleaning, folder: Path) -> list[str]:
    return sorted(info.url.removeprefix(f"file://{folder}/") for info in cleaning.objects)


@pytest.mark.parametrize("results", [False, True])
def test_all_runs_take_as_many_lists_as_a_few(tmp_path: Path, *, results: bool) -> None:
    """A request to the store for each run would take minutes with a thousand of them."""
    lists = []
    for count in (3, 12):
        runs, storage, names = _store(tmp_path / str(count), count)
        cleaning = plan_cleaning(runs, names, results=results)
        lists.append(storage.lists)
        expected = KEPT + (RECORDED if results else [])
        assert sorted(f"{kind}/{name}/{file}" for kind, file in expected for name in names) == (
            _found(cleaning, tmp_path / str(count))
        )
    assert lists[0] == lists[1]


@pytest.mark.parametrize("results", [False, True])
def test_a_run_takes_as_many_lists_whatever_else_is_in_the_store(
    tmp_path: Path, *, results: bool
) -> None:
    """And two runs at most twice as many."""
    lists = []
    for count, cleaned in ((3, 1), (12, 1), (12, 2)):
        runs, storage, names = _store(tmp_path / f"{count}-{cleaned}", count)
        plan_cleaning(runs, names[:cleaned], results=results)
        lists.append(storage.lists)
    assert lists[0] == lists[1]
    assert lists[2] <= 2 * lists[1]


@pytest.mark.parametrize("every", [False, True])
def test_the_steps_of_a_chain_go_with_it_once(tmp_path: Path, *, every: bool) -> None:
    """Also when each step is named as a run too, as with all runs."""
    runs, _, (chain, *_) = _store(tmp_path, 1)
    steps = [f"{chain}-step-{number}" for number in (1, 2, 10)]
    for name in (*steps, "run-other"):
        _fill(tmp_path, name)
    named = [name for name in runs.runs() if name != "run-other"] if every else [chain]
    found = _found(plan_cleaning(runs, named, results=False), tmp_path)
    assert sorted(f"{kind}/{name}/{file}" for kind, file in KEPT for name in (chain, *steps)) == (
        found
    )


@pytest.mark.parametrize("named", ["", "-epoch-3"])
def test_the_epochs_of_a_run_go_with_it(tmp_path: Path, named: str) -> None:
    """Whichever is named: without its newest epoch, an older one would count again."""
    runs, _, (run, other) = _store(tmp_path, 2)
    for name in (f"{run}-epoch-2", f"{run}-epoch-3", f"{run}-epoch-3-step-1"):
        _fill(tmp_path, name)
    runs.storage.write(keys.epoch_slot(runs.store, run, 2), b"{}")
    carry_out(plan_cleaning(runs, [f"{run}{named}"], results=True), runs)
    assert [other] == runs.runs()


def test_only_the_folders_of_runs_go_with_all_runs(tmp_path: Path) -> None:
    """A store may be a whole bucket, with folders of a user that have the same names."""
    runs, _, names = _store(tmp_path, 2)
    for other in ("maps/city.json", "maps/europe/city.json", f"maps/{names[0]}0/city.json"):
        (tmp_path / other).parent.mkdir(exist_ok=True)
        (tmp_path / other).write_bytes(b"x")
    cleaning = plan_cleaning(runs, names, results=True)
    assert [] == [name for name in _found(cleaning, tmp_path) if name.endswith("city.json")]
    assert len(names) * len(KEPT + RECORDED) == len(cleaning.objects)


def test_a_folder_of_a_user_beside_those_of_map_outputs_stays(tmp_path: Path) -> None:
    """Only the sixteen folders hold runs; one of a longer name is a user's."""
    runs, _, names = _store(tmp_path, 1)
    other = tmp_path / "maps" / "ab" / names[0] / "city.json"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"x")
    cleaning = plan_cleaning(runs, names, results=False)
    assert [] == [name for name in _found(cleaning, tmp_path) if name.endswith("city.json")]


def test_everything_is_every_folder_of_the_store(tmp_path: Path) -> None:
    """An object in each folder that the driver writes is deleted with everything."""
    runs = RunStore(open_storage(), f"file://{tmp_path}")
    folders = (keys.INPUT, keys.CHUNKS, keys.MAPS, keys.PAIRS, keys.REDUCE, keys.RUNS, keys.JOBS)
    for folder in (*folders, keys.TASKS, keys.INDEX, keys.FORECASTS):
        runs.storage.write(f"file://{tmp_path}/{folder}/x", b"x")
    carry_out(plan_emptying(runs), runs)
    assert [] == [path for path in tmp_path.rglob("*") if path.is_file()]
