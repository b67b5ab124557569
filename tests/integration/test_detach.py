"""A run in the background outlives its command, its driver and its machine, with one answer."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from driver.history.run_store import RunStore
from mapreduce.storage import open_storage
from tests.integration.commands import Driver, Finished

TEXT = "one two three two\n" * 300
ANSWER = Counter(TEXT.split())
JOB = """
import sys
import time
from pathlib import Path

from mapreduce import Chain, Job, Step, Sum, words

HELD = Path({held!r})


def wait(name):
    if "sampling" in sys.argv[0]:
        return  # this is the sample of the plan
    (HELD / f"reached-{{name}}").touch()
    while (HELD / f"hold-{{name}}").exists():
        time.sleep(0.02)


class Held(Job):
    def map_setup(self):
        wait("map")

    def map(self, key, value):
        for word in words(value):
            yield word, 1

    def reduce(self, key, values):
        wait("reduce")
        yield key, sum(values)


class Same(Job):
    reduce = Sum()

    def map(self, key, value):
        wait("second")
        yield key, value


class Twice(Chain):
    def steps(self):
        yield Step(Held())
        yield Step(Same())


class Boom(Job):
    reduce = Sum()

    def map(self, key, value):
        raise ValueError("this job always fails")
"""


@dataclass(frozen=True)
class Background:
    """Runs in the background whose tasks wait in a stage as long as the test wants."""

    driver: Driver
    held: Path

    @property
    def runs(self) -> RunStore:
        """The records of the runs."""
        return RunStore(open_storage(), f"file://{self.driver.store}")

    def start(self, *options: str, job: str = "Held", hold: str = "") -> str:
        """Start a run; return its id, which is all of standard output."""
        if hold:
            (self.held / f"hold-{hold}").touch()
        given = ("--job", f"held.py:{job}", "--chunks", "4", "--mappers", "2", "--target", "local")
        done = self.driver.run("run", "text.txt", *given, "--detach", *options)
        assert done.code == 0, done.err
        if hold:
            self.until(lambda: (self.held / f"reached-{hold}").exists())
        return done.out.strip()

    def let_go(self, stage: str) -> None:
        """Let the tasks of a stage go on."""
        (self.held / f"hold-{stage}").unlink()

    def drivers(self) -> list[psutil.Process]:
        """Return the processes that carry out a plan, without those that only keep it going."""
        return [
            each
            for each in self.driver.processes()
            if {"--plan", "drive"}.intersection(each.cmdline())
        ]

    def kill_driver(self) -> None:
        """Kill the driver at once."""
        (found,) = self.drivers()
        found.kill()

    def until_lost(self, run: str) -> None:
        """Wait until a run has lost its driver."""
        self.until(lambda: self.runs.state(run) == "lost")

    def attach(self, run: str) -> Finished:
        """Watch a run until its end, from another folder."""
        elsewhere = self.driver.folder / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        watcher = replace(self.driver, folder=elsewhere)
        return watcher.run("attach", run, "--store", str(self.driver.store))

    def answer(self, run: str) -> dict[str, int]:
        """Return the committed answer."""
        done = self.driver.run("result", run, "--output", "-", "--output-format", "jsonl")
        assert done.code == 0, done.err
        rows = map(json.loads, done.out.splitlines())
        return {row["key"]: row["value"] for row in rows}

    def until(self, condition: Callable[[], Any], limit_s: float = 60.0) -> None:
        """Wait for a condition."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < limit_s, "it did not come"
            time.sleep(0.05)


@pytest.fixture
def background(driver: Driver) -> Iterator[Background]:
    """Runs in the background; none of their processes is left after the test."""
    held = driver.folder / "held"
    held.mkdir()
    (driver.folder / "held.py").write_text(JOB.format(held=str(held)))
    (driver.folder / "text.txt").write_text(TEXT)
    yield Background(driver, held)
    driver.wait_until_none_is_left()


def test_the_run_goes_on_after_its_command(background: Background) -> None:
    """Standard output has the id alone; from another folder `attach` shows the end of the run, and
    has its exit code.
    """
    run = background.start(hold="map")
    assert "running" == background.runs.state(run)
    background.let_go("map")
    watched = background.attach(run)
    assert 0 == watched.code, watched.err
    assert f"{run} is done" in watched.out
    assert ANSWER == background.answer(run)
    assert 0 == background.driver.run("verify", run).code


@pytest.mark.parametrize("stage", ["map", "reduce", "second"])
def test_the_next_driver_goes_on_by_itself(background: Background, stage: str) -> None:
    """A killed driver costs no answer: the next one has the second epoch, and `attach` shows it."""
    job = "Twice" if stage == "second" else "Held"
    run = background.start("--retries", "1", job=job, hold=stage)
    background.kill_driver()
    background.let_go(stage)
    watched = background.attach(run)
    assert 0 == watched.code, watched.err
    assert f"another one goes on: {run}-epoch-2" in watched.err
    assert ANSWER == background.answer(run)
    assert background.runs.success(run) is None
    assert f"{run}-epoch-2" == background.runs.resolve(run)


def test_without_retries_a_lost_run_waits_for_a_driver(background: Background) -> None:
    """`attach` says how to go on, with exit code 1. The stored code goes on, although the author
    has changed the file, and although all processes of the run are gone.
    """
    run = background.start(hold="map")
    for process in background.driver.processes():  # as a machine that loses its power
        process.kill()
    (background.driver.folder / "held.py").write_text("raise SystemError\n")
    watched = background.attach(run)
    assert 1 == watched.code
    assert f"run --plan {run}" in watched.err
    background.let_go("map")
    went_on = background.driver.run("run", "--plan", run)
    assert 0 == went_on.code, went_on.err
    assert ANSWER == background.answer(run)


def test_one_of_two_drivers_goes_on(background: Background) -> None:
    """The other one is refused in words, and writes nothing."""
    run = background.start(hold="map")
    background.kill_driver()
    background.until_lost(run)
    both = [background.driver.start("run", "--plan", run) for _ in range(2)]
    background.until(lambda: any(each.poll() is not None for each in both))
    background.let_go("map")
    ends = {each.communicate(timeout=60)[1]: each.returncode for each in both}
    assert [0, 2] == sorted(ends.values()), ends
    (refused,) = [err for err, code in ends.items() if code == 2]
    assert f"another driver goes on with {run}" in refused
    assert ANSWER == background.answer(run)


def test_a_driver_that_wakes_commits_nothing(background: Background) -> None:
    """A driver that slept, and whose run another one has taken, ends with an error; the newest
    epoch alone has `_SUCCESS`.
    """
    run = background.start(hold="map")
    (slept,) = background.drivers()
    os.kill(slept.pid, signal.SIGSTOP)
    try:
        background.until_lost(run)
        background.let_go("map")
        went_on = background.driver.run("run", "--plan", run)
        assert 0 == went_on.code, went_on.err
    finally:
        os.kill(slept.pid, signal.SIGCONT)
    assert background.driver.wait_until_none_is_left() == []
    log = (background.driver.store / "runs" / run / "driver.log").read_text()
    assert "another driver goes on with this run, as its epoch 2" in log
    assert background.runs.success(run) is None
    assert ANSWER == background.answer(run)


def test_a_driver_that_was_killed_after_its_commit_is_done(background: Background) -> None:
    """Between the commit and `_SUCCESS` the answer is decided: who goes on writes `_SUCCESS`."""
    run = background.start()
    assert 0 == background.attach(run).code
    background.driver.wait_until_none_is_left()
    success = background.driver.store / "reduce" / run / "_SUCCESS"
    content = success.read_bytes()
    success.unlink()
    planned = background.driver.store / "runs" / run / "begun"
    os.utime(planned, (time.time() - 60,) * 2)
    assert "lost" == background.runs.state(run)
    said = background.driver.run("run", "--plan", run)
    assert (2, True) == (said.code, "was committed before its driver was lost" in said.err)
    assert content == success.read_bytes()
    assert ANSWER == background.answer(run)


def test_cancel_ends_a_run_in_the_background(background: Background) -> None:
    """The exit code of `attach` is that of an interrupted run; no driver goes on."""
    run = background.start("--retries", "2", hold="map")
    assert 0 == background.driver.run("cancel", run).code
    watched = background.attach(run)
    assert 130 == watched.code
    assert background.driver.wait_until_none_is_left() == []
    assert "interrupted" == background.runs.state(run)
    background.let_go("map")


def test_a_failed_run_is_not_repeated(background: Background) -> None:
    """The job's own error ends the run: `attach` shows it, and has its exit code."""
    run = background.start("--retries", "2", job="Boom")
    watched = background.attach(run)
    assert 1 == watched.code
    assert "this job always fails" in watched.err
    assert run == background.runs.resolve(run)
