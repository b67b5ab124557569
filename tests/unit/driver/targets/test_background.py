"""Drivers in the background: how one is started, and what goes on after a lost one."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from driver.history.failure import Failure
from driver.history.lease import LEASE_S
from driver.history.run_store import Ended, RecordedState, RunStore
from driver.targets import background
from driver.targets.background import (
    begun,
    check_detachable,
    ends_for_good,
    keep_going,
    start_driver,
    successor,
)
from mapreduce.errors import FleetError, LimitReached, RunStopped, UsageError
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.unit.driver.samples import run_plan

KILLED = -9
GOING: tuple[RecordedState, ...] = ("lost", "running", "planned")
Step = Callable[[str], int]


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    """An empty store."""
    return RunStore(open_storage(), f"file://{tmp_path}")


class _Drive:
    """Carries out commands as a list of steps says, and notes the commands."""

    def __init__(self, runs: RunStore, *steps: Step) -> None:
        self.runs, self.steps = runs, list(steps)
        self.commands: list[list[str]] = []
        self.said: list[str] = []

    def __call__(self, arguments: Sequence[str]) -> int:
        """Carry out the next step on the newest epoch."""
        self.commands.append(list(arguments))
        return self.steps.pop(0)(self.runs.resolve(arguments[1]))

    def keep(self, run: str, retries: int) -> int:
        """Keep a run going."""
        return keep_going(
            self.runs, run, retries, sleep=_no_sleep, say=self.said.append, drive=self
        )


def _no_sleep(_: float) -> None:
    raise AssertionError("there is nothing to wait for")


def _killed(_: str) -> int:
    return KILLED


def _lost(runs: RunStore) -> str:
    return runs.begin(run_plan(created=1.0)).run


def _planned(runs: RunStore) -> str:
    run = _lost(runs)
    runs.write(run, "planned.json", b"{}")
    return run


def _age(runs: RunStore, run: str) -> None:
    """Make the sign of life of a run as old as its plan."""
    path = Path(keys.run_file(runs.store, run, keys.BEGUN).removeprefix("file://"))
    os.utime(path, (1.0, 1.0))


@pytest.mark.parametrize("killed", [True, False])
def test_what_a_killed_driver_has_left_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, killed: bool
) -> None:
    """Its unpacked code: perhaps no other driver follows, which would delete it."""

    class Process:
        def __init__(self, *_: object, **__: object) -> None:
            """Take any command."""

        def __enter__(self) -> Process:
            return self

        def __exit__(self, *_: object) -> None:
            """End nothing."""

        def wait(self) -> int:
            return KILLED if killed else 0

    left = tmp_path / f"mapreduce-code-{2**22 + 1}-x"  # no process has this number
    left.mkdir()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(subprocess, "Popen", Process)
    assert (KILLED if killed else 0) == background.drive(["run", "--plan", "run-1"])
    assert left.exists() != killed


def test_a_lost_driver_is_followed_until_one_ends(runs: RunStore) -> None:
    """The same command goes on with the run, as often as said, until a driver commits."""
    run = _lost(runs)

    def committed(name: str) -> int:
        runs.commit(name, [], 0)
        return 0

    drive = _Drive(runs, _killed, _killed, committed)
    assert drive.keep(run, 5) == 0
    assert [["drive", run, "--store", runs.store]] * 3 == drive.commands
    assert [f"{run} has lost its driver; the next one goes on"] * 3 == drive.said


def test_the_first_driver_of_a_plan_follows_none(runs: RunStore) -> None:
    """Nothing is said before it; a keeper that comes later counts the epochs before its own."""
    run = _planned(runs)

    def begins(name: str) -> int:
        runs.write(name, keys.BEGUN, b"")
        _age(runs, name)
        return KILLED

    def goes_on(name: str) -> int:
        runs.write(f"{run}-epoch-2", "plan.json", run_plan(run=f"{run}-epoch-2", created=1.0))
        return KILLED

    drive = _Drive(runs, begins, goes_on)
    assert KILLED == drive.keep(run, 1)
    lost, given_up = drive.said
    assert f"{run} has lost its driver; the next one goes on" == lost
    assert f"{run} has lost its driver 2 times" in given_up
    late = _Drive(runs)
    assert 1 == late.keep(run, 1)
    assert [] == late.commands


@pytest.mark.parametrize(
    ("code", "state", "expected"), [(3, "failed", 3), (130, "planned", 130), (77, "failed", 1)]
)
def test_a_driver_that_cannot_begin_is_not_followed(
    runs: RunStore, code: int, state: str, expected: int
) -> None:
    """Who watches the run sees the failure, and so does a keeper that comes later."""
    run = _planned(runs)
    assert code == _Drive(runs, lambda _: code).keep(run, 5)
    assert state == runs.state(run)
    if state == "failed":
        assert expected == _Drive(runs).keep(run, 5)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("_SUCCESS", 0),
        (Ended(state="paused", at=1.0, why="x"), LimitReached.exit_code),
        (Ended(state="interrupted", at=1.0, why="x"), RunStopped.exit_code),
        (Failure(run="run-1", kind="FleetError", message="x"), FleetError.exit_code),
    ],
)
def test_a_run_that_another_process_has_ended_has_its_exit_code(
    runs: RunStore, record: Any, expected: int
) -> None:
    """The keeper starts no driver then."""
    run = _lost(runs)
    if isinstance(record, Ended | Failure):
        name = "ended.json" if isinstance(record, Ended) else "failure.json"
        runs.write(run, name, record)
    else:
        runs.commit(run, [], 0)
    assert expected == _Drive(runs).keep(run, 3)


def test_the_last_lost_driver_is_not_followed(runs: RunStore) -> None:
    """Its exit code is the keeper's, which says how to go on."""
    run = _lost(runs)
    drive = _Drive(runs, _killed, _killed)
    assert KILLED == drive.keep(run, 1)
    assert f"run --plan {run}" in drive.said[-1]


@pytest.mark.parametrize("state", ["interrupted", "paused"])
def test_a_run_that_has_ended_is_not_gone_on_with(runs: RunStore, state: Any) -> None:
    """A record of its end stops the keeper, whatever the exit code."""
    run = _lost(runs)

    def ended(name: str) -> int:
        runs.write(name, "ended.json", Ended(state=state, at=1.0, why="x"))
        return 5

    assert _Drive(runs, ended).keep(run, 3) == 5


def test_a_cancelled_run_that_lost_its_driver_is_interrupted(runs: RunStore) -> None:
    """No other driver goes on with it, and its record says so."""
    run = _lost(runs)

    def cancelled(name: str) -> int:
        runs.storage.write(keys.cancel(runs.store, name), b"")
        return KILLED

    assert RunStopped.exit_code == _Drive(runs, cancelled).keep(run, 3)
    assert runs.state(run) == "interrupted"


def test_the_lease_of_a_killed_driver_is_waited_for(
    runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it holds, the run counts as running."""
    seen = iter(["planned", "running", "running", "running", "lost"])
    run, waits = _planned(runs), list[float]()
    monkeypatch.setattr(runs, "state", lambda _: next(seen))
    code = keep_going(runs, run, 0, sleep=waits.append, say=lambda _: None, drive=lambda _: KILLED)
    assert (KILLED, [background.POLL_S] * 3) == (code, waits)


@pytest.mark.parametrize(
    ("retries", "expected"),
    [(0, ["drive", "run-a"]), (2, ["keep", "run-a", "--retries", "2"])],
)
def test_a_driver_is_started_in_a_session_of_its_own(
    runs: RunStore, monkeypatch: pytest.MonkeyPatch, retries: int, expected: list[str]
) -> None:
    """A plain driver, or with retries a keeper; its output goes to the run's folder."""
    started: list[tuple[list[str], dict[str, Any]]] = []
    monkeypatch.setattr(subprocess, "Popen", lambda line, **how: started.append((line, how)))
    runs.write("run-a", "plan.json", b"{}")
    log = start_driver(runs, "run-a", retries)
    ((line, how),) = started
    assert [*expected, "--store", runs.store] == line[-len(expected) - 2 :]
    assert how["start_new_session"]
    assert subprocess.DEVNULL == how["stdin"]
    assert str(log) == how["stdout"].name == how["stderr"].name
    assert log.parent.name == "run-a"


def test_only_a_store_of_this_machine_is_detachable() -> None:
    """A store in S3 is refused, with the next step."""
    prepared: Any = SimpleNamespace(runs=SimpleNamespace(store="s3://bucket"))
    with pytest.raises(UsageError, match="leave --detach out"):
        check_detachable(prepared)
    prepared.runs.store = "file:///store"
    check_detachable(prepared)


def test_a_successor_is_waited_for_while_one_is_due(runs: RunStore) -> None:
    """Without retries left none is due; else for two leases, or until it begins."""
    run, time = _lost(runs), [0.0]

    def sleep(seconds: float) -> None:
        time[0] += seconds

    assert run == successor(runs, run, 0, sleep, lambda: time[0])
    assert time == [0.0]
    assert run == successor(runs, run, 1, sleep, lambda: time[0])
    assert time == [2 * LEASE_S]

    def begins(_: float) -> None:
        runs.write(f"{run}-epoch-2", "plan.json", run_plan())

    assert f"{run}-epoch-2" == successor(runs, run, 1, begins, lambda: time[0])


def test_a_driver_may_take_its_time_to_begin(runs: RunStore) -> None:
    """A planned run is waited for until then, and no longer once it has begun."""
    run, clock = _planned(runs), [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    assert "planned" == begun(runs, run, 3.0, sleep, lambda: clock[0])
    assert clock == [3.0]

    def begins(_: float) -> None:
        runs.write(run, "ended.json", Ended(state="interrupted", at=1.0, why="x"))

    assert "interrupted" == begun(runs, run, 9.0, begins, lambda: clock[0])


def test_a_stopped_keeper_stops_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM goes to the driver, which then records how its run has ended."""
    ended: list[str] = []

    class Driver:
        def __enter__(self) -> Driver:
            return self

        def __exit__(self, *_: object) -> None:
            """It has ended."""

        def terminate(self) -> None:
            ended.append("driver")

        def wait(self) -> int:
            signal.raise_signal(signal.SIGTERM)
            return RunStopped.exit_code

    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: Driver())
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert RunStopped.exit_code == background.drive(["run"])
        assert signal.SIG_IGN == signal.getsignal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ["driver"] == ended


def test_a_lost_run_has_not_ended_for_good() -> None:
    """Nor has one that runs or is only planned; each other state is an end."""
    assert not any(ends_for_good(state) for state in GOING)
    assert ends_for_good("done")
