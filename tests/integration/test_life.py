"""A run can be seen, ended and found lost from another process, whatever happens to its driver."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from driver.history.run_events import events_of
from driver.history.run_store import RunStore
from driver.plan.events import AttemptDone, Event, decoded
from mapreduce.storage import open_storage
from tests.integration.commands import Driver

LOST_S = 15.0
"""A driver that is killed is known to be lost within this time."""
JOB = """
import time
from pathlib import Path

from mapreduce import Job, Sum, words

HELD = Path({held!r})


def wait(name):
    (HELD / f"reached-{{name}}").touch()
    while (HELD / f"hold-{{name}}").exists():
        time.sleep(0.02)


class Held(Job):
    def map_setup(self):
        print("a map begins")
        wait("map")

    def map(self, key, value):
        for word in words(value):
            yield word, 1

    def reduce(self, key, values):
        wait("reduce")
        yield key, sum(values)
"""


class _Held:
    """A job whose tasks wait in a stage as long as the test wants."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self._folder = driver.folder / "held"
        self._folder.mkdir()
        self._job = driver.folder / "held.py"
        self._job.write_text(JOB.format(held=str(self._folder)))
        self._text = driver.folder / "text.txt"
        self._text.write_text("one two three\n" * 200)
        self.runs = RunStore(open_storage(), f"file://{driver.store}")

    def hold(self, stage: str) -> None:
        """Let the tasks of a stage wait."""
        (self._folder / f"hold-{stage}").touch()

    def let_go(self, stage: str) -> None:
        """Let them go on."""
        (self._folder / f"hold-{stage}").unlink()

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Start a run."""
        size = ("--chunks", "4", "--mappers", "2")
        return self.driver.start(
            "run", "--job", self._job, "--input", self._text, *size, *options, "--json"
        )

    def reached(self, stage: str) -> None:
        """Wait until a task of a stage waits."""
        _until(lambda: (self._folder / f"reached-{stage}").exists())

    def state(self) -> str:
        """Return the state of the only run, as `runs` says it."""
        (run,) = self.driver.run("runs", "--json").document["runs"]
        return str(run["state"])

    def name(self) -> str:
        """Return the only run."""
        (run,) = self.runs.runs()
        return run

    def events(self) -> list[Event]:
        """Return the events that can be read of the only run."""
        return events_of(self.runs, self.name())


@pytest.fixture
def held(driver: Driver) -> _Held:
    """A job whose tasks wait."""
    return _Held(driver)


def _until(condition: Callable[[], Any], limit_s: float = 60.0) -> float:
    """Wait for a condition; return how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < limit_s, "it did not come"
        time.sleep(0.05)
    return time.monotonic() - began


@pytest.mark.parametrize("stage", ["map", "reduce"])
def test_a_killed_driver_leaves_its_events_and_is_lost(held: _Held, stage: str) -> None:
    """After SIGKILL in a stage all events but those of the last seconds are there, and `runs` says
    lost within 15 seconds; the same command does the rest.
    """
    held.hold(stage)
    process = held.start()
    held.reached(stage)
    wanted = {"map": 1, "reduce": 5}[stage]
    _until(lambda: _done(held.events()) >= wanted)
    assert held.state() == "running"
    process.kill()
    process.communicate(timeout=30)
    killed = time.monotonic()
    _until(lambda: held.state() == "lost", LOST_S)
    assert time.monotonic() - killed <= LOST_S
    assert _done(held.events()) >= wanted
    said = held.driver.run("status")
    assert ": lost\n" in said.out
    assert "go on: " in said.out
    assert held.driver.wait_until_none_is_left() == []
    held.let_go(stage)
    again = held.start()
    out, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    assert json.loads(out)["reused_tasks"] >= wanted


def test_a_driver_that_is_killed_before_its_first_sign_is_lost(held: _Held) -> None:
    """A run without a lease, killed before its first stage is done, is lost by its plan's age."""
    process = held.start()
    _until(lambda: list((held.driver.store / "runs").glob("*/plan.json")))
    process.kill()
    process.communicate(timeout=30)
    _until(lambda: held.state() == "lost", LOST_S)
    assert held.driver.wait_until_none_is_left() == []


def _done(events: list[Event]) -> int:
    return sum(isinstance(event, AttemptDone) for event in events)


def test_a_driver_that_sleeps_is_lost_and_then_running(held: _Held) -> None:
    """A stopped driver is lost once its lease has run out; when it goes on it takes its lease
    again, says so, and ends well.
    """
    held.hold("map")
    process = held.start()
    held.reached("map")
    _until(lambda: held.runs.record(held.name(), "lease.json"))
    os.kill(process.pid, signal.SIGSTOP)
    try:
        _until(lambda: held.state() == "lost", LOST_S)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    _until(lambda: held.state() == "running", LOST_S)
    held.let_go("map")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert held.state() == "done"
    kinds = [type(event).__name__ for event in held.events()]
    assert "DriverTookOver" in kinds
    assert kinds[-1] == "RunDone"


def test_a_run_is_watched_and_cancelled_from_other_shells(held: _Held) -> None:
    """`attach` shows a run that another process carries out, and ends with its exit code; `cancel`
    ends it, and leaves no process.
    """
    held.hold("map")
    process = held.start()
    held.reached("map")
    watching = held.driver.start("attach")
    _until(lambda: held.runs.record(held.name(), "lease.json"))
    cancelled = held.driver.run("cancel")
    assert (0, f"{held.name()}: interrupted\n") == (cancelled.code, cancelled.out)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "was cancelled; the same command goes on" in err
    _, seen = watching.communicate(timeout=30)
    assert watching.returncode == 130
    assert "interrupted" in seen
    assert "Traceback" not in err + seen
    assert held.state() == "interrupted"
    assert held.driver.wait_until_none_is_left() == []
    again = held.driver.run("cancel")
    assert (2, True) == (again.code, "nothing to cancel" in again.err)


def test_ctrl_c_ends_only_the_watching(held: _Held) -> None:
    """Ctrl-C in `attach` leaves the run alone, which another `attach` sees to its end."""
    held.hold("map")
    process = held.start()
    held.reached("map")
    first, second = held.driver.start("attach"), held.driver.start("attach")
    assert first.stderr is not None
    assert select.select([first.stderr], [], [], 60)[0], "it shows nothing"
    first.send_signal(signal.SIGINT)
    _, err = first.communicate(timeout=30)
    assert (130, True) == (first.returncode, "goes on; watch it again" in err)
    held.let_go("map")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    shown, seen = second.communicate(timeout=60)
    assert second.returncode == 0, seen
    assert "ledger" in shown + seen


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_an_end_with_a_record(held: _Held, number: int) -> None:
    """After Ctrl-C or SIGTERM the run is interrupted, with its events, and no segments."""
    held.hold("map")
    process = held.start()
    held.reached("map")
    _until(lambda: held.runs.record(held.name(), "lease.json"))
    # what the job prints comes with a heartbeat, so not at once
    _until(lambda: "a map begins" in held.driver.run("logs", "--prints").out)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert held.state() == "interrupted"
    folder = held.driver.store / "runs" / held.name()
    left = {path.name for path in folder.iterdir()}
    assert {"plan.json", "events.jsonl", "ended.json", "services.log"} <= left
    assert not {"lease.json", "events", "failure.json"} & left
    (last,) = decoded((folder / "events.jsonl").read_bytes())[-1:]
    assert type(last).__name__ == "RunInterrupted"
    assert "a map begins" in held.driver.run("logs", "--prints").out


def test_a_driver_whose_lease_is_taken_stops(held: _Held) -> None:
    """A driver that finds another one's lease ends with an error, and writes no more records."""
    held.hold("map")
    process = held.start()
    held.reached("map")
    _until(lambda: held.runs.record(held.name(), "lease.json"))
    lease = held.driver.store / "runs" / held.name() / "lease.json"
    lease.write_text('{"host": "elsewhere", "process": 7, "nonce": "another"}')
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "another driver carries out this run: process 7 on elsewhere" in err
    assert "Traceback" not in err
    assert not (lease.parent / "events.jsonl").exists()
    assert not (lease.parent / "failure.json").exists()
    assert held.driver.wait_until_none_is_left() == []


def test_a_small_run_writes_nothing_while_it_goes(driver: Driver, tmp_path: Path) -> None:
    """A run of less than a rhythm has no lease and no segments, and one entry in the index."""
    (driver.folder / "a.txt").write_text("one two\n")
    done = driver.run("run", "--input", "a.txt", "--target", "inline", "--json")
    assert done.code == 0, done.err
    store = driver.store
    assert 1 == len([path for path in (store / "index").rglob("*") if path.is_file()])
    assert [] == [*store.rglob("lease.json"), *store.rglob("events/*")]


def test_what_a_task_prints_before_it_dies_is_there(driver: Driver) -> None:
    """The lines of a process that is killed, and the rest of a line of one that ends, are not lost
    in a buffer.
    """
    (driver.folder / "a.txt").write_text("one\n")
    (driver.folder / "dying.py").write_text(
        "import os, signal\nfrom mapreduce import Job, Sum\n\n\nclass Dying(Job):\n"
        "    reduce = Sum()\n\n    def map(self, key, value):\n"
        "        print('last words')\n        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    (driver.folder / "partial.py").write_text(
        "from mapreduce import Job, Sum\n\n\nclass Partial(Job):\n    reduce = Sum()\n\n"
        "    def map(self, key, value):\n        print('no end', end='')\n        yield 1, 1\n"
    )
    assert driver.run("run", "--input", "a.txt", "--job", "dying.py").code == 1
    assert "map-0 | last words\n" in driver.run("logs", "--prints").out
    assert driver.run("run", "--input", "a.txt", "--job", "partial.py").code == 0
    assert "map-0 | no end\n" == driver.run("logs", "--prints").out


def test_a_job_that_prints_megabytes_slows_nothing_down(driver: Driver) -> None:
    """Of much output the first lines are kept, and the rest is counted."""
    (driver.folder / "a.txt").write_text("one two\n" * 10)
    (driver.folder / "loud.py").write_text(
        "from mapreduce import Job, Sum\n\n\nclass Loud(Job):\n    reduce = Sum()\n\n"
        "    def map(self, key, value):\n"
        "        print((value * 20 + chr(10)) * 10_000)\n        yield value, 1\n"
    )
    done = driver.run("run", "--input", "a.txt", "--job", "loud.py", "--chunks", "1", "--json")
    assert done.code == 0, done.err
    assert [] == done.document["recoveries"]
    lines = driver.run("logs", "--prints").out.splitlines()
    assert 1000 <= len(lines) <= 1001
    assert "bytes more)" in lines[-1]
    kept = driver.store / "runs" / done.document["run_id"] / "events.jsonl"
    assert kept.stat().st_size < 1 << 20
