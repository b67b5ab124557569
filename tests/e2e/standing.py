"""The steps that show that nothing stands: a run starts and stops the fleet, or the guard."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.e2e import runs
from tests.e2e.log import Log, Note, StepFailed
from tests.e2e.stack import SETTLE_S, DeployedStack

GUARD = "guard"
LIMIT = ("-var", "idle_stop_minutes=1")
# a minute, two looks of the guard, and the end of its tasks
STOPPED_S = 60.0 + 2 * 20.0 + SETTLE_S
KILLED_S = 45.0


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What is shown on other stacks while the guard waits for its time."""

    first: Callable[[], None]
    second: Callable[[], None]


def prove(
    log: Log, made: DeployedStack, book: Path, folder: Path, mappers: int, meanwhile: Meanwhile
) -> None:
    """Run all steps in order; the stack is stopped afterwards."""
    with log.step("make stop: no task runs", vital=False) as note:
        note(made.driver("stack", "stop").out.strip())
        wait_until_stopped(made, SETTLE_S)
    with log.step("one command on a stopped stack: start, count, stop", vital=False) as note:
        answer = runs.count(made, [book], folder / "started.json", "--chunks", "6", "--fresh")
        runs.check_counts(answer, [book])
        note(f"{len(answer.map_rows)} map tasks by {len(answer.mappers)} mappers")
        wait_until_stopped(made, SETTLE_S)
        note("no task runs after it, and no guard")
    with log.step("terraform apply starts a stopped stack", vital=False) as note:
        note(made.apply(*LIMIT))
        made.wait_for_boxes("mapper", mappers)
        made.wait_for_boxes(GUARD, 1)
        note(f"{mappers} mappers and the guard run")
    meanwhile.first()
    with log.step("the guard has stopped it", vital=False) as note:
        wait_until_stopped(made, STOPPED_S)
        note("no task runs")
    with log.step("kill -9 of the driver", vital=False) as note:
        _kill_the_driver(made, book, folder, note)
    meanwhile.second()
    with log.step("the guard has stopped the fleet", vital=False) as note:
        wait_until_stopped(made, STOPPED_S)
        note("no task runs")
    with log.step("the next run goes on, and stops what it starts", vital=False) as note:
        answer = runs.count(made, [book], folder / "again.json", *_slow(book, folder)[:-1])
        runs.check_counts(answer, [book])
        reused = answer.report["reused_tasks"]
        if not reused:
            raise StepFailed("no task of the killed run was reused")
        note(f"{reused} tasks reused; the answer is right")
        wait_until_stopped(made, SETTLE_S)


def _slow(book: Path, folder: Path) -> list[str | Path]:
    """Return options of a slow word count; the last one is `--fresh`."""
    *job, fresh = runs.slowly(folder, [book], KILLED_S)
    return [*job, "--chunks", "24", fresh]


def _kill_the_driver(made: DeployedStack, book: Path, folder: Path, note: Note) -> None:
    output = folder / "killed.json"
    options = _slow(book, folder)
    with runs.counting(made, [book], output, *options[:-1]) as (running, _):
        runs.busy_mapper(made, running)
        time.sleep(6)  # so that some tasks are done
        os.killpg(running.process.pid, signal.SIGKILL)
    left = len(made.boxes("mapper"))
    if not left:
        raise StepFailed("the fleet was gone before the guard could stop it")
    note(f"{left} mappers run on without a driver")


def wait_until_stopped(made: DeployedStack, limit_s: float) -> None:
    """Wait until no container of any service runs; raise `StepFailed` on a timeout."""
    until = time.monotonic() + limit_s
    while left := [one.name for one in made.boxes()]:
        if time.monotonic() > until:
            raise StepFailed(f"still run after {limit_s:.0f} s: {', '.join(left)}")
        time.sleep(1)
