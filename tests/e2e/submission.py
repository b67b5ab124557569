"""Runs whose driver runs in AWS, as the steps use them: the stack's checkout submits them, another
one watches them, and Docker kills and pauses their drivers.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.e2e import runs
from tests.e2e.emulator import Emulator
from tests.e2e.log import StepFailed
from tests.e2e.processes import Finished
from tests.e2e.stack import Box, DeployedStack

DRIVER = "driver"
CHUNKS = ("--chunks", "12")
WAIT_S = 120.0
Reached = Callable[[dict[str, Any]], bool]
STAGES: dict[str, Reached] = {
    "while the fleet starts": lambda found: not found["running"],
    "in the map stage": lambda found: found["running"] and 0 < found["maps_done"] < found["splits"],
    "in the reduce stage": lambda found: found["running"] and found["maps_done"] == found["splits"],
}
"""When a driver is killed, by the status of its run."""
# The reduce task waits too. On a machine that is no service it waits nowhere: no plan foresees it.
JOB = '''"""A word count that waits in its tasks, as for a slow service."""

import os
import time

from mapreduce import Job, words

IN_A_SERVICE = os.path.isdir("/app/src/services")


class WaitingCount(Job):
    """How often each word occurs, slowly."""

    map_ms: float = 0.0
    reduce_ms: float = 0.0
    turn: int = 0

    def map(self, offset, line):
        if IN_A_SERVICE:
            time.sleep(self.map_ms / 1000)
        for word in words(line):
            yield word, 1

    def reduce(self, word, counts):
        if IN_A_SERVICE:
            time.sleep(self.reduce_ms / 1000)
        yield word, sum(counts)
'''
FAULT = "no word count today"
FAILING_JOB = f'''"""A word count with a fault that shows itself in a service only."""

import os

from mapreduce import Job, words


class FailingCount(Job):
    """How often each word occurs, nearly."""

    def map(self, offset, line):
        for word in words(line):
            yield word, 1

    def reduce(self, word, counts):
        if os.path.isdir("/app/src/services"):
            raise ArithmeticError("{FAULT}")
        yield word, sum(counts)
'''


@dataclass(frozen=True, slots=True)
class Subject:
    """What the steps work on.

    Attributes:
        made: the stack, from the checkout that has deployed it.
        elsewhere: the same commands in another checkout, which has no state of Terraform.
        cloud: the emulator.
        book: a text.
        folder: a temporary folder.
    """

    made: DeployedStack
    elsewhere: DeployedStack
    cloud: Emulator
    book: Path
    folder: Path

    @property
    def store(self) -> str:
        """The store of the stack's runs."""
        return f"s3://{self.made.outputs()['bucket']}"

    def outside(self, command: str, *words: str | Path, ok: tuple[int, ...] = (0,)) -> Finished:
        """Run a command elsewhere on the stack's store."""
        return self.elsewhere.driver(command, *words, "--store", self.store, ok=ok)

    def elsewhere_with_outputs(self) -> DeployedStack:
        """Return the other checkout, with the outputs of the stack in its environment."""
        shell = self.elsewhere.shell.having(MAPREDUCE_STACK=json.dumps(self.made.outputs()))
        return replace(self.elsewhere, shell=shell)

    def submit(self, book: Path, *options: str | Path) -> str:
        """Submit a run; return its id, which is all that the command prints."""
        out = self.made.driver("submit", book, *CHUNKS, *options).out
        run = out.strip()
        if out != f"{run}\n" or not run.startswith("run-"):
            raise StepFailed(f"submit printed: {out!r}")
        return run

    def waiting(self, map_s: float = 0.0, reduce_s: float = 0.0) -> list[str | Path]:
        """Return options of a word count whose tasks wait so long together.

        It reuses nothing of another one, and --fresh would reuse nothing of a lost driver either.
        """
        job = self.folder / "waiting_count.py"
        job.write_text(JOB)
        lines = max(1, self.book.read_bytes().count(b"\n"))
        words = max(1, len(runs.plain_count([self.book])))
        waits = {"map_ms": map_s / lines * 1000, "reduce_ms": reduce_s / words * 1000}
        options = [f"{name}={ms:.4f}" for name, ms in waits.items()]
        options.append(f"turn={time.monotonic_ns()}")
        return ["--job", job, *(word for option in options for word in ("--param", option))]

    def failing(self) -> list[str | Path]:
        """Return options of a word count whose reduce function raises."""
        job = self.folder / "failing_count.py"
        job.write_text(FAILING_JOB)
        return ["--job", job]

    def status(self, run: str) -> dict[str, Any]:
        """Return the status of a run's newest epoch."""
        found: dict[str, Any] = json.loads(self.outside("status", run, "--json").out)
        return found

    def driver_of(self, run: str) -> Box | None:
        """Return the container that carries out a run."""
        for box in self.made.boxes(DRIVER):
            command = self.made.engine.docker("inspect", "--format", "{{json .Config.Cmd}}", box.id)
            if run in json.loads(command):
                return box
        return None

    def ends_well(self, run: str, book: Path, name: str) -> bytes:
        """Attach to a run until its end, and check its answer; return its result."""
        said = self.outside("attach", run)
        if "is done in" not in said.out:
            raise StepFailed(said.out + said.err)
        output = self.folder / name
        self.outside("result", run, "--output", output)
        runs.check_counts(runs.Answer({}, Counter(json.loads(output.read_bytes()))), [book])
        return output.read_bytes()

    def kill_driver(self, run: str, epoch: int, reached: Reached) -> None:
        """Kill the driver of an epoch of a run once its status is as wanted."""
        name = run if epoch == 1 else f"{run}-epoch-{epoch}"

        def there() -> bool:
            found = self.status(run)
            return found["run_id"] == name and found["state"] == "running" and reached(found)

        wait(there, lambda: f"{name} did not come so far: {self.status(run)}")
        box = self.driver_of(run)
        if box is None:
            raise StepFailed(f"no container carries out {name}")
        self.kill(box)

    def kill(self, box: Box) -> None:
        """Kill a container; one that has ended meanwhile is no error."""
        self.made.shell.run("docker", "kill", box.id, ok=(0, 1))

    @contextmanager
    def paused_driver(self) -> Iterator[str]:
        """Submit a run, whose driver does nothing until the end of the block; yield its id."""
        docker = self.made.engine.docker
        with self.made.driving("submit", self.book, *CHUNKS, *self.waiting()) as submitting:
            wait(lambda: bool(self.made.boxes(DRIVER)), lambda: "no driver was started")
            (box,) = self.made.boxes(DRIVER)
            docker("pause", box.id)
            run = submitting.finish().out.strip()
        try:
            if (state := self.status(run)["state"]) != "planned":
                raise StepFailed(f"{run} is {state} already")
            yield run
        finally:
            docker("unpause", box.id)


def wait(there: Callable[[], bool], why: Callable[[], str], limit_s: float = WAIT_S) -> None:
    """Wait until something is so; raise `StepFailed` on a timeout."""
    until = time.monotonic() + limit_s
    while not there():
        if time.monotonic() > until:
            raise StepFailed(f"after {limit_s:.0f} s: {why()}")
        time.sleep(0.2)
