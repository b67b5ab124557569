"""`cancel` of a run whose driver runs, sleeps, is lost, or has not begun."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from driver.history.cancelling import REFUSED, ask_to_end
from driver.history.run_store import RunStore
from driver.history.watch import watch
from driver.plan.config import RunConfig
from driver.targets.background import keep_going
from driver.targets.plan_records import Planned, prepared_by
from driver.targets.written_plan import _begin
from mapreduce.errors import ObjectExists, RunStopped, UsageError
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.unit.driver.samples import run_plan


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    """An empty store."""
    return RunStore(open_storage(), f"file://{tmp_path}")


def _planned(runs: RunStore, *, starts_s: float = 60.0) -> str:
    plan = runs.begin(run_plan(created=time.time(), store=runs.store))
    planned = Planned(config=RunConfig(("a",)), target="local", store=None, starts_s=starts_s)
    runs.write(plan.run, "planned.json", planned)
    return plan.run


def _keep(runs: RunStore, run: str) -> int:
    """Keep a run going in a process that must start no driver, and wait for nothing."""

    def never(*_: Any) -> Any:
        raise AssertionError("it is over")

    return keep_going(runs, run, 3, sleep=never, say=lambda _: None, drive=never)


def test_a_run_that_waits_for_its_driver_ends_for_good(runs: RunStore) -> None:
    """Its keeper, a driver of its plan and who watches it see the end, and begin nothing."""
    run = _planned(runs)
    assert "planned" == ask_to_end(runs, run)
    assert "interrupted" == runs.state(run)
    assert RunStopped.exit_code == _keep(runs, run)
    with pytest.raises(RunStopped, match=f"{run} was cancelled before its driver began"):
        prepared_by(run, runs.store, None, "")
    (seen,) = watch(runs, run, sleep=lambda _: pytest.fail("nothing is waited for"))
    assert "interrupted" == seen.state
    with pytest.raises(UsageError, match="is interrupted, so there is nothing to cancel"):
        ask_to_end(runs, run)


def test_a_driver_that_begins_too_late_is_stopped(runs: RunStore) -> None:
    """It had looked before the run was cancelled, and takes the run afterwards."""
    run = _planned(runs)
    plan = runs.plan(run)
    ask_to_end(runs, run)
    with pytest.raises(RunStopped):
        _begin(plan, runs)


def test_a_driver_that_begins_just_before_heeds_the_wish(
    runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wish is there when it looks for the first time; its run is not ended by another hand."""
    run, create = _planned(runs), runs.storage.create

    def begins_first(url: str, data: bytes) -> None:
        assert runs.has(run, "cancel")
        create(url, b"")
        raise ObjectExists(url)

    monkeypatch.setattr(runs.storage, "create", begins_first)
    assert "planned" == ask_to_end(runs, run)
    assert runs.is_unwanted(run)
    assert "running" == runs.state(run)
    assert runs.ended(run) is None


def test_a_cancel_that_has_ended_half_way_can_be_repeated(
    runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its writes no driver can take the run either."""
    run = _planned(runs)
    with monkeypatch.context() as patch:
        patch.setattr(runs, "write", lambda *_: pytest.fail("the machine is gone"))
        with pytest.raises(pytest.fail.Exception):
            ask_to_end(runs, run)
    assert "running" == runs.state(run)
    with pytest.raises(RunStopped):
        prepared_by(run, runs.store, None, "")
    ask_to_end(runs, run)
    assert "interrupted" == runs.state(run)


def test_the_keeper_of_a_half_cancelled_run_ends_it(
    runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not go on with it as with a lost one."""
    run = _planned(runs)
    runs.storage.write(keys.cancel(runs.store, run), b"")
    runs.storage.create(keys.run_file(runs.store, run, keys.BEGUN), REFUSED)
    monkeypatch.setattr(runs, "state", lambda _: "lost")
    assert RunStopped.exit_code == _keep(runs, run)


def test_a_plan_is_nothing_to_cancel(runs: RunStore) -> None:
    """No driver has been started for it; it stays."""
    run = _planned(runs, starts_s=0.0)
    with pytest.raises(UsageError, match="is planned, so there is nothing to cancel"):
        ask_to_end(runs, run)
    assert runs.is_plan(run)
    assert not runs.has(run, "cancel")


def test_a_lost_run_gets_the_wish_alone(runs: RunStore) -> None:
    """Its driver may only sleep."""
    run = runs.begin(run_plan(created=1.0, store=runs.store)).run
    assert "lost" == ask_to_end(runs, run)
    assert runs.is_unwanted(run)
    assert "lost" == runs.state(run)


def test_the_last_run_is_also_one_that_waits_for_its_driver(runs: RunStore) -> None:
    """`attach` right after `submit` means it, although an older run has begun; a plan is no run."""
    older = runs.begin(run_plan(created=time.time() - 60, store=runs.store)).run
    _planned(runs, starts_s=0.0)
    assert older == runs.resolve(None)
    run = _planned(runs)
    assert run == runs.resolve(None)
    assert runs.awaits_driver(run)
    runs.storage.create(keys.run_file(runs.store, run, keys.BEGUN), b"")
    assert not runs.awaits_driver(run)
    assert not runs.awaits_driver(older)
    for damaged in (b"{", b'{"starts_s": "x"}'):
        runs.write(older, "planned.json", damaged)
        assert not runs.awaits_driver(older)
