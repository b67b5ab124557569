"""`attach`, `cancel` and `status` of a run that goes on elsewhere."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from driver.history.failure import Failure
from driver.history.run_store import Ended, RunStore
from driver.history.watch import watch
from driver.plan.events import (
    AttemptDone,
    AttemptProgress,
    AttemptStarted,
    RunStarted,
    StageDone,
    StageStarted,
    encoded,
)
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.unit.driver.cli.conftest import Command
from tests.unit.driver.samples import run_plan

TEXT = "one two\nthree two\n"


@pytest.fixture
def kept(home: Path) -> RunStore:
    """The store in the current folder."""
    return RunStore(open_storage(), f"file://{home}/.mapreduce")


def _begun(kept: RunStore, *, age: float = 0.0) -> str:
    """Write a run that goes on, or was lost so long ago; return its id."""
    now = time.time() - age
    run = kept.begin(run_plan(created=now, store=kept.store, command="mr run --input a b")).run
    happened = [
        RunStarted(at=now, run=run, job="WordCount", target="local", inputs=1, size_bytes=1000),
        StageStarted(at=now, stage="split", tasks=1, reused=0, size_bytes=1000),
        StageDone(at=now, stage="split", seconds=0.1),
        StageStarted(at=now, stage="map", tasks=4, reused=1, size_bytes=3 << 20),
        AttemptStarted(at=now - 2, task="map-1", attempt=1, endpoint="mapper-0"),
        AttemptDone(
            at=now, task="map-1", attempt=1, endpoint="mapper-0", seconds=2, size_bytes=1 << 20
        ),
        AttemptStarted(at=now, task="map-2", attempt=1, endpoint="mapper-0"),
        AttemptProgress(at=now, task="map-2", attempt=1, bytes=1000, records=1),
    ]
    kept.storage.write(keys.segment(kept.store, run, 0), encoded(happened))
    return run


def test_the_status_of_a_run_that_goes_on(command: Command, kept: RunStore) -> None:
    """`status` shows the tasks of the events, the rate, and the commands that come next."""
    run = _begun(kept)
    said = command("status")
    assert (0, f"{run}: running") == (said.code, said.out.splitlines()[0])
    assert "  maps     2 of 4 done" in said.out
    assert "  running  1 attempt, " in said.out
    assert f"watch it: python -m driver attach {run}\n" in said.out
    assert f"end it: python -m driver cancel {run}\n" in said.out
    document = command("status", "--json").document
    assert (4, 2, 1) == tuple(document[name] for name in ("splits", "maps_done", "running"))
    assert document["bytes_per_s"] > 0
    assert {"state": "running"} == command("status", "--fields", "state").document
    store = kept.store.removeprefix("file://")
    assert f"attach {run} --store {store}\n" in command("status", "--store", store).out


def test_the_status_of_a_lost_run_says_how_to_go_on(command: Command, kept: RunStore) -> None:
    """A lost run is one whose command goes on."""
    _begun(kept, age=60.0)
    said = command("status")
    assert ": lost\n" in said.out
    assert "  maps     2 of 4 done" in said.out
    assert "go on: mr run --input a b" in said.out
    assert "running " not in said.out


def test_a_run_is_watched_until_it_is_lost(command: Command, kept: RunStore) -> None:
    """`status --watch` ends with the status; JSON is for one look."""
    _begun(kept, age=60.0)
    said = command("status", "--watch")
    assert (0, True) == (said.code, ": lost" in said.out)
    assert 2 == command("status", "--watch", "--json").code


def test_a_run_is_watched_line_by_line_in_a_pipe(
    command: Command, kept: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a pipe the progress is a line, and the watch ends when the run does."""
    run = _begun(kept)

    def ends(_: float) -> None:
        kept.write(run, "ended.json", Ended(state="interrupted", at=1.0, why="ended by Ctrl-C"))
        kept.write(run, "events.jsonl", b"")

    assert watch.__kwdefaults__
    monkeypatch.setitem(watch.__kwdefaults__, "sleep", ends)
    lines = command("status", "--watch").out.splitlines()
    assert lines[0].startswith(f"{run}: map 2 of 4 tasks, 1 running, ")
    assert f"{run}: interrupted" == lines[1]
    assert "  why      ended by Ctrl-C" in lines


def test_attach_shows_a_finished_run_as_run_does(command: Command, home: Path) -> None:
    """`attach` of a run that is done shows its progress and its summary, and ends with 0."""
    (home / "in.txt").write_text(TEXT)
    ran = command("run", "--input", "in.txt", "--target", "inline")
    said = command("attach")
    assert 0 == said.code
    everything = said.err + said.out
    assert "map: " in everything
    assert "ledger" in everything
    assert ran.code == 0


def test_attach_ends_with_the_exit_code_of_the_run(command: Command, kept: RunStore) -> None:
    """A failure is shown with its code; so are an interruption, a pause and a loss."""
    run = _begun(kept)
    kept.write(run, "events.jsonl", b"")
    kept.write(run, "ended.json", Ended(state="interrupted", at=1.0, why="was cancelled"))
    said = command("attach", run)
    assert (130, True) == (said.code, "interrupted: was cancelled" in said.err)
    kept.write(run, "ended.json", Ended(state="paused", at=1.0, why="at --max-usd 1"))
    assert 5 == command("attach", run).code
    failure = Failure(run=run, kind="FleetError", message="no mapper answers")
    kept.write(run, "failure.json", failure)
    said = command("attach", run)
    assert (3, True) == (said.code, "no mapper answers" in said.err)
    lost = _begun(kept, age=60.0)
    said = command("attach", lost)
    assert (1, True) == (said.code, f"{lost} is lost" in said.err)


def test_a_run_that_is_over_cannot_be_cancelled(command: Command, kept: RunStore) -> None:
    """`cancel` of a run that is over names its state."""
    run = _begun(kept)
    kept.commit(run, [], 0)
    said = command("cancel", run)
    assert (2, True) == (said.code, f"{run} is done, so there is nothing to cancel" in said.err)


def test_a_lost_run_is_cancelled_when_it_wakes(command: Command, kept: RunStore) -> None:
    """`cancel` of a lost run says so, and leaves the wish for a driver that only sleeps."""
    run = _begun(kept, age=60.0)
    said = command("cancel", run)
    assert (0, True) == (said.code, f"{run} is lost: no driver carries it out" in said.out)
    assert kept.record(run, "cancel") == b""


def test_cancel_waits_for_the_driver(
    command: Command, kept: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`cancel` returns when the driver has ended the run; of a step, it cancels the chain."""
    run = _begun(kept)
    kept.write(keys.step(run, 1), "plan.json", kept.plan(run))

    def driver(_: float) -> None:
        if kept.record(run, "cancel") is not None:
            kept.write(run, "ended.json", Ended(state="interrupted", at=1.0, why="was cancelled"))

    fake = SimpleNamespace(sleep=driver, monotonic=time.monotonic)
    monkeypatch.setattr("driver.cli.attach.time", fake)
    document = command("cancel", keys.step(run, 1), "--json").document
    assert {"run_id": run, "before": "running", "state": "interrupted"} == document


def test_a_driver_that_does_not_answer_is_not_waited_for(
    command: Command, kept: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After half a minute `cancel` says that the run still goes on."""
    run = _begun(kept)
    seconds = iter(range(0, 1000, 10))
    fake = SimpleNamespace(sleep=lambda _: None, monotonic=lambda: next(seconds))
    monkeypatch.setattr("driver.cli.attach.time", fake)
    said = command("cancel", run)
    assert (0, True) == (said.code, f"{run} still runs" in said.out)


def test_a_plan_is_carried_out_before_it_is_attached_to(command: Command, kept: RunStore) -> None:
    """`status` and `attach` of a plan name the command that carries it out."""
    run = kept.begin(run_plan(created=time.time() - 60, store=kept.store)).run
    kept.write(run, "planned.json", b"{}")
    assert f"carry it out: python -m driver run --plan {run}\n" in command("status", run).out
    said = command("attach", run)
    assert (1, True) == (said.code, "is planned: no driver carries it out yet" in said.err)
