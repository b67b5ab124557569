"""`run --detach`, and `attach` on a run that has lost its driver."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from driver.history.failure import Failure
from driver.history.run_store import Ended, RunStore
from driver.targets import background
from driver.targets.background import keep_going
from mapreduce.errors import InputError, RunStopped
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.unit.driver.cli.conftest import Command
from tests.unit.driver.samples import run_plan


@pytest.fixture
def kept(home: Path) -> RunStore:
    """The store in the current folder."""
    return RunStore(open_storage(), f"file://{home}/.mapreduce")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The drivers that were started, each as its run and retries; none is."""
    found: list[tuple[str, int]] = []

    def start(runs: RunStore, run: str, retries: int) -> Path:
        found.append((run, retries))
        return Path(runs.store.removeprefix("file://"), run, background.LOG)

    monkeypatch.setattr(background, "start_driver", start)
    return found


def test_a_detached_run_is_planned_and_started(
    command: Command, home: Path, kept: RunStore, started: list[tuple[str, int]]
) -> None:
    """The answer is the run's id; how to watch it and how to end it are said beside it."""
    (home / "a.txt").write_text("one two\n")
    said = command("run", "a.txt", "--target", "local", "--detach", "--retries", "2")
    ((run, retries),) = started
    assert (0, f"{run}\n", 2) == (said.code, said.out, retries)
    assert f"attach {run}" in said.err
    assert f"cancel {run}" in said.err
    assert kept.is_plan(run)
    document = command("run", "a.txt", "--target", "local", "--detach", "--json").document
    assert started[1] == (document["run_id"], 0)


def test_a_driver_that_has_not_begun_is_cancelled_at_once(
    command: Command, home: Path, kept: RunStore, started: list[tuple[str, int]]
) -> None:
    """It begins no more, `attach` ends with the code of an interruption, and a plan that waits for
    no driver cannot be cancelled.
    """
    (home / "a.txt").write_text("one two\n")
    command("run", "a.txt", "--target", "local", "--detach")
    ((run, _),) = started
    document = command("cancel", run, "--json").document
    assert {"run_id": run, "before": "planned", "state": "interrupted"} == document
    assert RunStopped.exit_code == keep_going(kept, run, 3, sleep=_never, say=_never, drive=_never)
    said = command("attach", run)
    assert (RunStopped.exit_code, True) == (said.code, "before its driver began" in said.err)
    plan = command("plan", "a.txt", "--target", "local", "--json").document["run"]
    assert "is planned, so there is nothing to cancel" in command("cancel", plan).err


def test_a_driver_that_has_just_begun_records_its_end_itself(kept: RunStore) -> None:
    """Nothing else is recorded."""
    run = kept.begin(run_plan(created=time.time(), store=kept.store)).run
    kept.write(run, keys.BEGUN, b"")
    assert not background.record_no_begin(
        kept, run, Failure(run=run, kind="FleetError", message="x")
    )
    assert kept.failure(run) is None


def test_a_driver_that_cannot_begin_says_why_in_the_records(
    command: Command, home: Path, kept: RunStore, started: list[tuple[str, int]]
) -> None:
    """`attach` shows it, with its exit code; no other driver is started for it."""
    (home / "a.txt").write_text("one two\n")
    command("run", "a.txt", "--target", "local", "--detach", "--retries", "2")
    ((run, _),) = started
    code = kept.plan(run).job.code
    kept.storage.delete([keys.code(kept.store, code)])
    driven = []

    def drive(arguments: Sequence[str]) -> int:
        driven.append(arguments)
        return command(*arguments).code

    assert InputError.exit_code == keep_going(kept, run, 2, sleep=_never, say=_never, drive=drive)
    assert len(driven) == 1
    said = command("attach", run)
    assert InputError.exit_code == said.code
    assert f"the code of {run} is not in the store any more" in said.err


def test_a_plan_is_carried_out_after_its_folder_is_gone(
    command: Command,
    home: Path,
    kept: RunStore,
    started: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Code and inputs are named in the store; a driver in AWS has no folder of that name. The
    records of the run have the user's command, and not the driver's.
    """
    (home / "a.txt").write_text("one two\n")
    (home / "here").mkdir()
    monkeypatch.chdir(home / "here")
    monkeypatch.setattr("sys.argv", ["/bin/driver", "run", "a.txt", "--detach"])
    command("run", f"{home}/a.txt", "--target", "inline", "--detach", "--store", kept.store)
    monkeypatch.chdir(home)
    (home / "here").rmdir()
    ((run, _),) = started
    monkeypatch.setattr("sys.argv", ["/bin/driver", "drive", run])
    assert command("drive", run, "--store", kept.store).code == 0
    assert kept.state(run) == "done"
    assert kept.plan(run).command.endswith(" run a.txt --detach")


def _never(*_: object) -> Any:
    raise AssertionError("the run is over, so nothing is waited for, said or started")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--detach", "--output", "out.csv"), "writes no file"),
        (("--retries", "2"), "is for --detach"),
        (("--detach", "--retries", "101"), "must be from 0 to"),
    ],
)
def test_what_cannot_be_detached_is_refused(
    command: Command, home: Path, started: list[tuple[str, int]], options: tuple[str, ...], why: str
) -> None:
    """Nothing is started then."""
    (home / "a.txt").write_text("one two\n")
    said = command("run", "a.txt", "--target", "local", *options)
    assert said.code == 2
    assert why in said.err
    assert [] == started


def _lost(kept: RunStore, *, planned: bool) -> str:
    run = kept.begin(run_plan(created=time.time() - 60, store=kept.store)).run
    if planned:
        kept.write(run, "planned.json", b'{"config": {}}')
        kept.write(run, keys.BEGUN, b"")
        begun = keys.run_file(kept.store, run, keys.BEGUN).removeprefix("file://")
        os.utime(begun, (1.0, 1.0))  # long ago
    return run


@pytest.mark.parametrize("planned", [False, True])
def test_a_lost_run_with_a_plan_can_be_gone_on_with(
    command: Command, kept: RunStore, monkeypatch: pytest.MonkeyPatch, *, planned: bool
) -> None:
    """Without a terminal, `attach` says the command; a run without a plan has none."""
    monkeypatch.setattr("driver.targets.plan_records.retries_of", lambda *_: 0)
    run = _lost(kept, planned=planned)
    said = command("attach")
    assert said.code == 1
    assert planned == (f"run --plan {run}" in said.err)


def test_the_next_driver_of_a_lost_run_is_shown(
    command: Command, kept: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code is that of the newest epoch."""
    monkeypatch.setattr("driver.targets.plan_records.retries_of", lambda *_: 1)
    run = _lost(kept, planned=True)
    epoch = f"{run}-epoch-2"

    def begins(runs: RunStore, name: str, *_: object) -> str:
        runs.write(name, "seen", b"")
        runs.write(epoch, "plan.json", run_plan(run=epoch, created=time.time() - 60))
        runs.write(epoch, "ended.json", Ended(state="interrupted", at=1.0, why="Ctrl-C"))
        return epoch

    monkeypatch.setattr(background, "successor", begins)
    said = command("attach", run)
    assert kept.has(run, "seen")
    assert f"another one goes on: {epoch}" in said.err
    assert f"{epoch} is interrupted" in said.err
    assert said.code == 130
