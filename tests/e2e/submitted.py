"""The steps of runs whose driver runs in AWS: submitted, lost, two at once, ended, behind a closed
port. The stack is stopped before them and after them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.e2e import event_bridge
from tests.e2e.log import Log, Note, StepFailed
from tests.e2e.stack import SETTLE_S
from tests.e2e.standing import GUARD, wait_until_stopped
from tests.e2e.submission import CHUNKS, DRIVER, FAULT, STAGES, Subject, wait

FAILED = LOST = 1
REFUSED, PAUSED, INTERRUPTED = 4, 5, 130
MAP_S, REDUCE_S = 20.0, 12.0
"""Seconds of all map tasks together, and of the reduce task, that wait at each record."""
LONG_S = 300.0
"""Seconds of all map tasks of a run that does not come to its end."""
MOST_OVER = 1.1
"""What the limit is of the low end of the plan."""


def prove(log: Log, subject: Subject) -> None:
    """Run all steps in order."""
    made = subject.made
    made.driver("stack", "stop")
    wait_until_stopped(made, SETTLE_S)
    for name, step in STEPS.items():
        with log.step(name, vital=False) as note:
            try:
                step(subject, note)
            except StepFailed:  # the next step begins on a stopped stack too
                for box in made.boxes(DRIVER):
                    subject.kill(box)
                made.driver("stack", "stop")
                raise


@contextmanager
def at_work(log: Log, subject: Subject) -> Iterator[None]:
    """Leave a submitted run at work for the block, which destroys the stack; check that EventBridge
    has started no driver for it meanwhile.
    """
    with event_bridge.delivering(subject.cloud, subject.made.name) as bridge:
        with log.step("a submitted run is at work as the stack is destroyed") as note:
            run = subject.submit(subject.book, *subject.waiting(LONG_S), "--retries", "3")
            wait(lambda: bool(subject.status(run)["running"]), lambda: "no task ever ran")
            note(f"{run} maps, and has retries left")
        yield
    with log.step("no driver was started meanwhile", vital=False):
        if bridge.started:
            raise StepFailed(f"the rule has started {bridge.started}")


def _on_a_stopped_stack(subject: Subject, note: Note) -> None:
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
    _seen_elsewhere(subject, run, note)


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
    knowing = subject.elsewhere_with_outputs()
    if "is done in" not in knowing.driver("attach", run).out:
        raise StepFailed("with MAPREDUCE_STACK, attach does not show the end")
    lines = knowing.driver("logs", run).out.splitlines()
    tasks = {json.loads(line).get("task") for line in lines}
    if not {"map-0", "reduce-0"} <= tasks:
        raise StepFailed(f"logs has lines of {sorted(map(str, tasks))}")
    note(f"done in status and in runs of {len(listed)}; a page")
    note(f"with MAPREDUCE_STACK, {len(lines)} lines of logs, and attach needs no --store")


def _killed_in_each_stage(subject: Subject, note: Note) -> None:
    made = subject.made
    with event_bridge.delivering(subject.cloud, made.name) as bridge:
        run = subject.submit(subject.book, *subject.waiting(MAP_S, REDUCE_S), "--retries", "3")
        for number, (where, reached) in enumerate(STAGES.items(), 1):
            subject.kill_driver(run, number, reached)
            note(f"driver {number} killed {where}")
        subject.ends_well(run, subject.book, "killed.json")
        note("the fourth one ends the run, and the answer is right")
        wait_until_stopped(made, SETTLE_S)
        if len(bridge.started) != len(STAGES):
            raise StepFailed(f"the rule has started {len(bridge.started)} drivers")
    page = subject.folder / "killed.html"
    report = json.loads(subject.outside("report", run, "--json", "--output", page).out)
    reused = sum(stage["reused"] for stage in report["stages"])
    if not reused:
        raise StepFailed("the last driver reused no task of the killed ones")
    note(f"{reused} tasks reused; no task runs after it")


def _lost_for_good(subject: Subject, note: Note) -> None:
    made = subject.made
    with event_bridge.delivering(subject.cloud, made.name) as bridge:
        run = subject.submit(subject.book, *subject.waiting(MAP_S, REDUCE_S))
        subject.kill_driver(run, 1, STAGES["in the map stage"])
        said = subject.outside("attach", run, ok=(LOST,)).err
        if f"submit --plan {run}" not in said:  # run --plan goes on with it too, here
            raise StepFailed(said)
        note(said.strip().splitlines()[-1])
        wait(lambda: bool(bridge.started) and not made.boxes(DRIVER), lambda: "no driver ends")
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


def _failed(subject: Subject, note: Note) -> None:
    run = subject.submit(subject.book, *subject.failing(), "--retries", "3")
    said = subject.outside("attach", run, ok=(FAILED,)).err
    if f"ArithmeticError: {FAULT}" not in said or "line 17, in reduce" not in said:
        raise StepFailed(said)
    wait_until_stopped(subject.made, SETTLE_S)
    if (state := subject.status(run)["state"]) != "failed":
        raise StepFailed(f"status says {state}")
    note(f"attach ends with {FAILED} and shows the author's traceback, and no task runs")


def _kept(subject: Subject, note: Note) -> None:
    made = subject.made
    run = subject.submit(subject.book, "--fresh", "--keep", "10m")
    subject.ends_well(run, subject.book, "kept.json")
    wait(lambda: not made.boxes(DRIVER), lambda: "the driver does not end")
    left = sorted(box.name for box in made.boxes())
    if not (made.boxes("mapper") and made.boxes(GUARD)):
        raise StepFailed(f"after a run with --keep, these run: {left}")
    note(f"{len(made.boxes('mapper'))} mappers and the guard run on, and no driver")
    made.driver("stack", "stop")
    wait_until_stopped(made, SETTLE_S)


def _cancelled(subject: Subject, note: Note) -> None:
    made = subject.made
    run = subject.submit(subject.book, *subject.waiting(LONG_S))
    with subject.elsewhere.driving("attach", run, "--store", subject.store) as attached:
        wait(lambda: bool(subject.status(run)["running"]), lambda: "no task ever ran")
        note(subject.outside("cancel", run).out.strip())
        attached.finish(ok=(INTERRUPTED,))
    wait_until_stopped(made, SETTLE_S)
    note(f"attach ends with {INTERRUPTED}, and no task runs")
    with subject.paused_driver() as run:
        said = subject.outside("cancel", run).out.strip()
        state = subject.status(run)["state"]
        if state != "interrupted":
            raise StepFailed(f"{said}; status says {state}")
    subject.outside("attach", run, ok=(INTERRUPTED,))
    wait_until_stopped(made, SETTLE_S)
    if (found := subject.status(run))["state"] != "interrupted" or found["maps_done"]:
        raise StepFailed(f"a driver has begun it: {found}")
    note(f"{said} before its driver begins, which then ends without a task")


def _limited(subject: Subject, note: Note) -> None:
    made, job = subject.made, subject.waiting(MAP_S)
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


STEPS: dict[str, Callable[[Subject, Note], None]] = {
    "submit on a stopped stack; attach from another checkout": _on_a_stopped_stack,
    "submit --retries: docker kill of each driver": _killed_in_each_stage,
    "a submitted run that is lost: run --plan goes on here": _lost_for_good,
    "two submitted runs at once": _two_at_once,
    "a submitted run that fails: its fleet ends": _failed,
    "submit --keep: the fleet stays, the driver does not": _kept,
    "cancel of a submitted run, also before its driver begins": _cancelled,
    "submit --max-usd: refused, paused": _limited,
    "./deploy.sh --allow none: submit works, and run says why not": _closed_port,
}
