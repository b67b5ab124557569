"""What `clean --older-than` finds, in a folder and in S3, with objects of known age."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from driver.history.cleaning import by_folder, carry_out
from driver.history.expiry import plan_expiry
from driver.history.run_store import RunStore
from driver.plan.tasks import RunPlan
from mapreduce.storage import ObjectInfo, open_storage
from mapreduce.storage.local import LocalStorage
from mapreduce.wire.messages import InputObject
from tests.unit.driver.cloud.loopback_aws import running_loopback_aws
from tests.unit.driver.samples import JOB, run_plan

NOW = 1_767_225_600.0
DAY = 86_400.0
BEFORE = NOW - 30 * DAY
OLD, YOUNG, STEP = (
    f"run-20251126-{name}" for name in ("000000-calm-owl", "000001-a-b", "000000-calm-owl-step-1")
)
ONE, TWO, THREE = ("1" * 64, "2" * 64, "3" * 64)

Fill = Callable[[Mapping[str, tuple[float, bytes]]], RunStore]


def _in_folder(folder: Path) -> Fill:
    def fill(objects: Mapping[str, tuple[float, bytes]]) -> RunStore:
        for name, (age_days, data) in objects.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            os.utime(path, (NOW - age_days * DAY,) * 2)
        return RunStore(open_storage(), f"file://{folder}")

    return fill


@pytest.fixture(params=["folder", "s3"])
def fill(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Fill]:
    """A function that makes a store of objects, each with its age in days and its bytes."""
    if request.param == "folder":
        yield _in_folder(tmp_path)
        return
    with running_loopback_aws() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOLD")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")

        def fill_bucket(objects: Mapping[str, tuple[float, bytes]]) -> RunStore:
            for name, (age_days, data) in objects.items():
                aws.objects[f"/bucket/{name}"] = data
                aws.modified[f"/bucket/{name}"] = NOW - age_days * DAY
            return RunStore(open_storage(), "s3://bucket")

        yield fill_bucket


def _plan(run: str, inputs: str, code: str) -> bytes:
    made: RunPlan = run_plan(
        run=run,
        job=JOB.model_copy(update={"code": code}),
        inputs=(InputObject(url=inputs, size=1, etag="e"),),
    )
    return made.model_dump_json().encode()


def _of_run(run: str, age: float) -> dict[str, tuple[float, bytes]]:
    names = [
        f"chunks/{run}/chunk-0.txt",
        f"maps/b/{run}/map-00011.attempt-0",
        f"maps/{run}/map-00000.attempt-0",
        f"pairs/{run}/pairs-00000.attempt-1",
        f"reduce/{run}/part-00000.attempt-0.jsonl",
        f"reduce/{run}/part-00000.attempt-1.jsonl",
        f"reduce/{run}/part-00000.jsonl",
        f"reduce/{run}/result.json",
        f"reduce/{run}/_SUCCESS",
        f"runs/{run}/report.json",
    ]
    return dict.fromkeys(names, (age, b"x"))


def _names(runs: RunStore, found: tuple[ObjectInfo, ...]) -> set[str]:
    return {info.url.removeprefix(f"{runs.store}/") for info in found}


def _store(fill: Fill) -> tuple[RunStore, dict[str, tuple[float, bytes]]]:
    """Return a store with an old and a young run, and all objects by name."""
    root = fill({}).store
    objects = {
        **_of_run(OLD, 40),
        **_of_run(YOUNG, 3),
        f"runs/{OLD}/plan.json": (40, _plan(OLD, f"{root}/input/{ONE}/a.txt", ONE)),
        f"runs/{YOUNG}/plan.json": (3, _plan(YOUNG, f"{root}/input/{TWO}/b.txt", TWO)),
        **{
            f"input/{digest}/{name}.txt": (50, b"in")
            for digest, name in ((ONE, "a"), (TWO, "b"), (THREE, "c"))
        },
        **{f"jobs/{digest}/code.zip": (50, b"zip") for digest in (ONE, TWO, THREE)},
        f"jobs/{'4' * 64}/code.zip": (2, b"zip"),
        f"tasks/{ONE}.json": (40, b"{}"),
        f"tasks/{TWO}.json": (3, b"{}"),
        f"pairs/states/{'a' * 32}": (40, b"s"),
        f"pairs/states/{'b' * 32}": (3, b"s"),
        "input/my own/file.txt": (500, b"mine"),
        "reduce/notes.txt": (500, b"mine"),
        "other/x": (500, b"mine"),
    }
    return fill(objects), objects


def test_what_a_run_that_stays_needs_is_not_found(fill: Fill) -> None:
    """Without results, all runs stay, with results, records, inputs and code; attempts,
    intermediate data and task records of old ones go, and old inputs and code that no run names.
    """
    runs, _ = _store(fill)
    found = plan_expiry(runs, BEFORE, results=False)
    assert {
        f"chunks/{OLD}/chunk-0.txt",
        f"maps/b/{OLD}/map-00011.attempt-0",
        f"maps/{OLD}/map-00000.attempt-0",
        f"pairs/{OLD}/pairs-00000.attempt-1",
        f"reduce/{OLD}/part-00000.attempt-0.jsonl",
        f"reduce/{OLD}/part-00000.attempt-1.jsonl",
        f"tasks/{ONE}.json",
        f"pairs/states/{'a' * 32}",
        f"input/{THREE}/c.txt",
        f"jobs/{THREE}/code.zip",
    } == _names(runs, found.objects)


def test_old_results_go_when_asked_for(fill: Fill) -> None:
    """With results, all of an old run goes, and what it alone needed; a user's objects stay."""
    runs, objects = _store(fill)
    found = plan_expiry(runs, BEFORE, results=True)
    expected = {name for name in objects if OLD in name} | {
        f"tasks/{ONE}.json",
        f"pairs/states/{'a' * 32}",
        *(f"input/{digest}/{name}.txt" for digest, name in ((ONE, "a"), (THREE, "c"))),
        *(f"jobs/{digest}/code.zip" for digest in (ONE, THREE)),
    }
    assert expected == _names(runs, found.objects)
    carry_out(found, runs)
    assert set() == _names(runs, plan_expiry(runs, BEFORE, results=True).objects)
    assert [YOUNG] == runs.runs()


@pytest.mark.parametrize("newest", [30.5, 3.0])
def test_a_run_is_as_young_as_its_youngest_object(fill: Fill, newest: float) -> None:
    """A run that has written something within the limit, or a day before, is not old: a younger
    task record may name its objects.
    """
    runs = fill(_of_run(OLD, 40) | {f"maps/a/{OLD}/map-00010.attempt-0": (newest, b"x")})
    assert () == plan_expiry(runs, BEFORE, results=True).objects


def test_a_chain_and_its_steps_are_one(fill: Fill) -> None:
    """While a step of a chain is young, the chain and its other steps stay."""
    runs = fill(_of_run(OLD, 40) | _of_run(STEP, 3))
    assert () == plan_expiry(runs, BEFORE, results=True).objects
    runs = fill(_of_run(OLD, 40) | _of_run(STEP, 40))
    assert 2 * len(_of_run(OLD, 40)) == len(plan_expiry(runs, BEFORE, results=True).objects)


def test_the_epochs_of_a_run_are_one(fill: Fill) -> None:
    """While an epoch is young, all of them stay, with their slots; then all go together."""
    epoch, slot = f"{OLD}-epoch-2", {f"runs/{OLD}/epochs/0002.json": (40.0, b"{}")}
    runs = fill(_of_run(OLD, 40) | slot | _of_run(epoch, 3))
    assert () == plan_expiry(runs, BEFORE, results=True).objects
    runs = fill(_of_run(OLD, 40) | slot | _of_run(epoch, 40))
    carry_out(plan_expiry(runs, BEFORE, results=True), runs)
    assert [] == runs.runs()


def test_an_unreadable_plan_keeps_all_inputs(fill: Fill) -> None:
    """When the plan of a run that stays cannot be read, no input and no code goes, and that is
    said.
    """
    runs, _ = _store(fill)
    runs = fill({f"runs/{YOUNG}/plan.json": (3, b"{")})
    found = plan_expiry(runs, BEFORE, results=True)
    assert not [name for name in _names(runs, found.objects) if name.startswith(("input", "jobs"))]
    (note,) = found.notes
    assert YOUNG in note


def test_an_object_of_unknown_age_is_young() -> None:
    """A store that tells no age loses nothing."""

    class Ageless(LocalStorage):
        def list(self, prefix: str) -> Iterator[ObjectInfo]:
            name = f"maps/a/{OLD}/map-00000.attempt-0"
            return iter(
                [ObjectInfo(f"file:///s/{name}", 1, "e")] if prefix.endswith("maps") else []
            )

    assert () == plan_expiry(RunStore(Ageless(), "file:///s"), NOW, results=True).objects


def test_each_folder_is_listed_once(tmp_path: Path) -> None:
    """The number of lists does not grow with the runs."""

    class Counted(LocalStorage):
        lists = 0

        def list(self, prefix: str) -> Iterator[ObjectInfo]:
            self.lists += 1
            return super().list(prefix)

    counts = []
    for many in (2, 20):
        folder = tmp_path / str(many)
        names = [f"run-20251126-{number:06d}-a-b" for number in range(many)]
        _in_folder(folder)({k: v for name in names for k, v in _of_run(name, 40).items()})
        storage = Counted()
        plan_expiry(RunStore(storage, f"file://{folder}"), BEFORE, results=False)
        counts.append(storage.lists)
    assert counts[0] == counts[1] == 11


def test_the_folders_are_summed_up(fill: Fill) -> None:
    """The objects and bytes of each folder are counted."""
    runs, _ = _store(fill)
    found = plan_expiry(runs, BEFORE, results=False)
    assert {"chunks": (1, 1), "input": (1, 2), "jobs": (1, 3), "maps": (2, 2)}.items() <= by_folder(
        found, runs.store
    ).items()
