"""However a run ends, it leaves no process, and the same command continues it."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from bench.zipf import write_text
from tests.integration.commands import Driver, ascii_words

CHUNKS = 12
SLOW_JOB = """
import time

from mapreduce import Job, Sum, words


class SlowCount(Job):
    reduce = Sum()

    def map_setup(self):
        time.sleep(0.5)

    def map(self, key, value):
        for word in words(value):
            yield word, 1
"""

HELD_JOB = """
import os
import time
from pathlib import Path

from mapreduce import Job, Sum, words

HELD = Path({held!r})


class HeldCount(Job):
    reduce = Sum()

    def map_setup(self):
        (HELD / f"task-{{os.getpid()}}").touch()
        while (HELD / "hold").exists():
            time.sleep(0.02)

    def map(self, key, value):
        for word in words(value):
            yield word, 1
"""


@pytest.fixture
def text(driver: Driver) -> Path:
    """A text."""
    path = driver.folder / "text.txt"
    write_text(path, 2_000_000, seed=3)
    return path


@pytest.fixture
def slowly(driver: Driver, text: Path) -> tuple[str | Path, ...]:
    """A run that takes a few seconds on any machine."""
    job = driver.folder / "slow_count.py"
    job.write_text(SLOW_JOB)
    return (
        "run",
        "--job",
        job,
        "--input",
        text,
        "--chunks",
        str(CHUNKS),
        "--mappers",
        "2",
        "--json",
    )


def _wait_for_tasks(driver: Driver, count: int) -> None:
    """Wait until this number of tasks has finished."""
    deadline = time.monotonic() + 60
    while len(list((driver.store / "tasks").glob("*.json"))) < count:
        assert time.monotonic() < deadline, "no task finished"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_stopped_driver_leaves_nothing_and_goes_on(
    driver: Driver, text: Path, slowly: tuple[str | Path, ...], number: int
) -> None:
    """After a signal in the map stage all processes end, and the next run does only the remaining
    tasks.
    """
    process = driver.start(*slowly)
    _wait_for_tasks(driver, 3)
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=30)
    assert driver.wait_until_none_is_left() == []
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "Traceback" not in err
    again = driver.run(*slowly)
    assert again.code == 0, again.err
    assert 3 <= again.document["reused_tasks"] < CHUNKS + 2
    result = Path(again.document["result_urls"][0].removeprefix("file://"))
    assert ascii_words(text.read_bytes()) == json.loads(result.read_text())


def test_killed_services_and_workers_come_back(driver: Driver, text: Path) -> None:
    """The answer is right after half of the processes were killed, with a task in each mapper."""
    held = driver.folder / "held"
    held.mkdir()
    (held / "hold").touch()
    job = driver.folder / "held_count.py"
    job.write_text(HELD_JOB.format(held=str(held)))
    options = ("--chunks", str(CHUNKS), "--mappers", "2", "--json")
    process = driver.start("run", "--job", job, "--input", text, *options)
    deadline = time.monotonic() + 60
    while len(list(held.glob("task-*"))) < 2:
        assert time.monotonic() < deadline, "no task in each mapper"
        time.sleep(0.02)
    (fleet,) = psutil.Process(process.pid).children()
    services = fleet.children()
    for victim in [*services[:2], services[-1].children()[0].children()[0]]:
        victim.kill()
    (held / "hold").unlink()
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert "TaskLost" in err
    result = Path(json.loads(out)["result_urls"][0].removeprefix("file://"))
    assert ascii_words(text.read_bytes()) == json.loads(result.read_text())
    assert driver.wait_until_none_is_left() == []


def test_a_run_that_cannot_begin_leaves_nothing(driver: Driver) -> None:
    """A run with a missing input ends the services that it started, and prints only the error."""
    done = driver.run("run", "--target", "local", "--input", "missing.txt")
    assert (done.code, done.out) == (2, "")
    assert "there is no file missing.txt" in done.err
    assert "Traceback" not in done.err
    assert driver.processes() == []


def test_services_that_are_still_starting_end_with_a_killed_driver(
    driver: Driver, text: Path
) -> None:
    """Services end if their driver is killed before it has configured them."""
    process = driver.start("run", "--target", "local", "--input", text)
    deadline = time.monotonic() + 60
    while not psutil.Process(process.pid).children():
        assert time.monotonic() < deadline
    process.kill()
    process.communicate(timeout=30)
    assert driver.wait_until_none_is_left() == []
