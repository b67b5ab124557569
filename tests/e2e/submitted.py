"""The steps of runs whose driver runs in AWS: submitted, lost, two at once, ended, behind a closed
port. The stack is stopped before them and after them.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.e2e import event_bridge, runs
from tests.e2e.emulator import Emulator
from tests.e2e.log import Log, Note, StepFailed
from tests.e2e.processes import Finished
from tests.e2e.stack import SETTLE_S, Box, DeployedStack
from tests.e2e.standing import wait_until_stopped

DRIVER = "driver"
CHUNKS = ("--chunks", "12")
LOST, REFUSED, PAUSED, INTERRUPTED = 1, 4, 5, 130
WAIT_S = 120.0
MAP_S, REDUCE_S = 20.0, 12.0
"""Seconds of all map tasks together, and of the reduce task, that wait at each record."""
LATE_S = 300.0
"""The same of a run that reaches its limit: a minute is paid in any case."""
MOST_OVER = 1.1
"""What the limit is of the low end of the plan."""
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


@dataclass(frozen=True, slots=True)
class Subject:
    """What the steps work on.

    Attributes:
        log: of the proof.
        made: the stack, from the checkout that has deployed it.
        elsewhere: the same commands in another checkout, which has no state of Terraform.
        cloud: the emulator.
        book: a text.
        folder: a temporary folder.
    """

    log: Log
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


def prove(subject: Subject) -> None:
    """Run all steps in order."""
    log, made = subject.log, subject.made
    made.driver("stack", "stop")
    wait_until_stopped(made, SETTLE_S)
    with log.step("submit on a stopped stack; attach from another checkout") as note:
        run = _on_a_stopped_stack(subject, note)
    with log.step("status, runs, report, logs of a submitted run elsewhere", vital=False) as note:
        _seen_elsewhere(subject, run, note)
    with log.step("submit --retries: docker kill of each driver", vital=False) as note:
        _killed_in_each_stage(subject, note)
    with log.step("a submitted run that is lost: run --plan goes on here", vital=False) as note:
        _lost_for_good(subject, note)
    with log.step("two submitted runs at once", vital=False) as note:
        _two_at_once(subject, note)
    with log.step("cancel of a submitted run, also before its driver begins", vital=False) as note:
        _cancelled(subject, note)
    with log.step("submit --max-usd: refused, paused", vital=False) as note:
        _limited(subject, note)
    with log.step(
        "./deploy.sh --allow none: submit works, and run says why not", vital=False
    ) as note:
        _closed_port(subject, note)


def _on_a_stopped_stack(subject: Subject, note: Note) -> str:
    made, book = subject.made, subject.book
    run = subject.submit(book, "--fresh")
    if left := _processes_in(made.root):
        raise StepFailed(f"submit has left processes here: {left}")
    note(f"{run}; no process of it is left on this machine")
    result = subject.ends_well(run, book, "submitted.json")
    note("elsewhere, attach ends with 0, and the counts are the plain ones")
    wait_until_stopped(made, SETTLE_S)
    note("no task runs after it, neither a service nor the driver")
    here = subject.folder / "here.json"
    local = ("--target", "local", "--store", subject.folder / "local-store")
    made.driver("run", book, *CHUNKS, *local, "--output", here)
    if here.read_bytes() != result:
        raise StepFailed("the result of run differs from that of submit")
    note(f"the result, {len(result)} bytes, is that of run")
    known = json.dumps(made.outputs())
    shell = subject.elsewhere.shell.having(MAPREDUCE_STACK=known)
    said = shell.run("python", "-m", "driver", "attach", run)
    if "is done in" not in said.out:
        raise StepFailed(said.out + said.err)
    note("with MAPREDUCE_STACK, attach needs no --store")
    return run


def _processes_in(folder: Path) -> list[str]:
    """Return the commands of the drivers that run in a folder of this machine."""
    found = []
    for each in psutil.process_iter(["cwd", "cmdline"]):
        words = each.info["cmdline"] or []
        if each.info["cwd"] == str(folder) and DRIVER in words:
            found.append(" ".join(words))
    return found


def _seen_elsewhere(subject: Subject, run: str, note: Note) -> None:
    if (state := subject.status(run)["state"]) != "done":
        raise StepFailed(f"status says {state}")
    listed = json.loads(subject.outside("runs", "--json").out)["runs"]
    if run not in [each["run_id"] for each in listed]:
        raise StepFailed(f"runs lists {[each['run_id'] for each in listed]}")
    page = subject.folder / "submitted.html"
    subject.outside("report", run, "--output", page)
    if run not in page.read_text():
        raise StepFailed("the page does not name the run")
    lines = subject.made.driver("logs", run).out.splitlines()
    tasks = {json.loads(line).get("task") for line in lines}
    if not {"map-0", "reduce-0"} <= tasks:
        raise StepFailed(f"logs has lines of {sorted(map(str, tasks))}")
    note(f"done in status and in runs of {len(listed)}; a page; {len(lines)} lines of logs")


STAGES: dict[str, Callable[[dict[str, Any]], bool]] = {
    "while the fleet starts": lambda found: not found["running"],
    "in the map stage": lambda found: found["running"] and 0 < found["maps_done"] < found["splits"],
    "in the reduce stage": lambda found: found["running"] and found["maps_done"] == found["splits"],
}
"""When a driver is killed, by the status of its run."""


def _killed_in_each_stage(subject: Subject, note: Note) -> None:
    made = subject.made
    with event_bridge.delivering(subject.cloud, made.name) as bridge:
        run = subject.submit(subject.book, *subject.waiting(MAP_S, REDUCE_S), "--retries", "3")
        for number, (where, reached) in enumerate(STAGES.items(), 1):
            _kill_the_driver(subject, run, number, reached)
            note(f"driver {number} killed {where}")
        subject.ends_well(run, subject.book, "killed.json")
        note("the fourth one ends the run, and the answer is right")
        wait_until_stopped(made, SETTLE_S)
        if len(bridge.started) != len(STAGES):
            raise StepFailed(f"the rule has started {len(bridge.started)} drivers")
    report = json.loads(subject.outside("report", run, "--json").out)
    if not report["reused_tasks"]:
        raise StepFailed("the last driver reused no task of the killed ones")
    note(f"{report['reused_tasks']} tasks reused; no task runs after it")


def _kill_the_driver(
    subject: Subject, run: str, epoch: int, reached: Callable[[dict[str, Any]], bool]
) -> None:
    """Kill the driver of an epoch once its run is as wanted."""
    name = run if epoch == 1 else f"{run}-epoch-{epoch}"

    def there() -> bool:
        found = subject.status(run)
        return found["run_id"] == name and found["state"] == "running" and reached(found)

    _wait(there, lambda: f"{name} did not come so far: {subject.status(run)}")
    box = subject.driver_of(run)
    if box is None:
        raise StepFailed(f"no container carries out {name}")
    subject.made.engine.docker("kill", box.id)


def _lost_for_good(subject: Subject, note: Note) -> None:
    made = subject.made
    with event_bridge.delivering(subject.cloud, made.name) as bridge:
        run = subject.submit(subject.book, *subject.waiting(MAP_S))
        _kill_the_driver(subject, run, 1, STAGES["in the map stage"])
        said = subject.outside("attach", run, ok=(LOST,)).err
        if f"run --plan {run}" not in said:
            raise StepFailed(said)
        note(said.strip().splitlines()[-1])
        _wait(lambda: bool(bridge.started) and not made.boxes(DRIVER), lambda: "no driver ends")
        note("the driver that the rule started has ended at once: the run has no retries")
    made.driver("run", "--plan", run, "--json")
    subject.ends_well(run, subject.book, "gone-on.json")
    wait_until_stopped(made, SETTLE_S)
    note("run --plan goes on with it here; the answer is right, and no task runs after it")


def _two_at_once(subject: Subject, note: Note) -> None:
    texts = _halves(subject.book, subject.folder)
    names = [subject.submit(text, *subject.waiting(MAP_S / 2)) for text in texts]
    for run, text in zip(names, texts, strict=True):
        subject.ends_well(run, text, f"{text.stem}.json")
    wait_until_stopped(subject.made, SETTLE_S)
    note(f"{' and '.join(names)}: both answers are right, and no task runs after them")


def _halves(book: Path, folder: Path) -> Sequence[Path]:
    """Write the two halves of a text as texts."""
    lines = book.read_bytes().splitlines(keepends=True)
    middle = len(lines) // 2
    texts = (folder / "first-half.txt", folder / "second-half.txt")
    for text, part in zip(texts, (lines[:middle], lines[middle:]), strict=True):
        text.write_bytes(b"".join(part))
    return texts


def _cancelled(subject: Subject, note: Note) -> None:
    made = subject.made
    run = subject.submit(subject.book, *subject.waiting(10 * MAP_S))
    with subject.elsewhere.driving("attach", run, "--store", subject.store) as attached:
        _wait(lambda: bool(subject.status(run)["running"]), lambda: "no task ever ran")
        note(subject.outside("cancel", run).out.strip())
        attached.finish(ok=(INTERRUPTED,))
    wait_until_stopped(made, SETTLE_S)
    note(f"attach ends with {INTERRUPTED}, and no task runs")
    with _paused_driver(subject) as run:
        said = subject.outside("cancel", run).out.strip()
        state = subject.status(run)["state"]
        if state != "interrupted":
            raise StepFailed(f"{said}; status says {state}")
    subject.outside("attach", run, ok=(INTERRUPTED,))
    wait_until_stopped(made, SETTLE_S)
    if (found := subject.status(run))["state"] != "interrupted" or found["maps_done"]:
        raise StepFailed(f"a driver has begun it: {found}")
    note(f"{said} before its driver begins, which then ends without a task")


@contextmanager
def _paused_driver(subject: Subject) -> Iterator[str]:
    """Submit a run, whose driver does nothing until the end of the block; yield the run's id."""
    made = subject.made
    with made.driving("submit", subject.book, *CHUNKS, "--fresh") as submitting:
        _wait(lambda: bool(made.boxes(DRIVER)), lambda: "no driver was started")
        (box,) = made.boxes(DRIVER)
        made.engine.docker("pause", box.id)
        run = submitting.finish().out.strip()
    try:
        if (state := subject.status(run)["state"]) != "planned":
            raise StepFailed(f"{run} is {state} already")
        yield run
    finally:
        made.engine.docker("unpause", box.id)


def _limited(subject: Subject, note: Note) -> None:
    made, job = subject.made, subject.waiting(LATE_S)
    said = made.driver(
        "submit", subject.book, *CHUNKS, *job, "--max-usd", "0.0000001", ok=(REFUSED,)
    ).err
    note(said.strip().splitlines()[-1])
    if found := made.boxes():
        raise StepFailed(f"these run after a refusal: {found}")
    planned = made.driver("plan", subject.book, "--target", "aws", *CHUNKS, *job, "--json").out
    limit = MOST_OVER * json.loads(planned)["money"]["together"]["low"]
    run = subject.submit(subject.book, *job, "--max-usd", f"{limit:.8f}")
    said = subject.outside("attach", run, ok=(PAUSED,)).err
    note(said.strip().splitlines()[-1])
    wait_until_stopped(made, SETTLE_S)
    note("no task runs after it")


def _closed_port(subject: Subject, note: Note) -> None:
    made = subject.made
    made.deploy("--allow", "none", "--var", "address_kind=public")
    if ranges := made.outputs()["allowed_cidrs"]:
        raise StepFailed(f"the services admit {ranges}")
    made.driver("stack", "stop")
    wait_until_stopped(made, SETTLE_S)
    refused = made.driver("run", subject.book, "--target", "aws", *CHUNKS, ok=(3,))
    if "driver submit" not in refused.err or made.boxes():
        raise StepFailed(refused.err)
    note(refused.err.strip().splitlines()[-1])
    run = subject.submit(subject.book, "--fresh")
    subject.ends_well(run, subject.book, "closed.json")
    wait_until_stopped(made, SETTLE_S)
    note(f"{run}: submitted, and the answer is right")


def _wait(there: Callable[[], bool], why: Callable[[], str], limit_s: float = WAIT_S) -> None:
    """Wait until something is so; raise `StepFailed` on a timeout."""
    until = time.monotonic() + limit_s
    while not there():
        if time.monotonic() > until:
            raise StepFailed(f"after {limit_s:.0f} s: {why()}")
        time.sleep(0.2)
