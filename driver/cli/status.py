"""`status`: how far a run is, once or until it is over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from driver.cli.options import Fields, Flag
from driver.cli.terminal import answer, print_document, rewritten, terminal_width
from driver.history.failure import Failure
from driver.program.command_name import COMMAND
from driver.report.failure import failure_lines
from driver.text import bytes_text, plural
from mapreduce.errors import UsageError
from mapreduce.wire.messages import Message

if TYPE_CHECKING:
    from driver.history.run_store import RunResults, RunStore
    from driver.plan.tasks import RunPlan
    from driver.report.model import RunModel, StageModel

PLAIN_EVERY_S = 5.0
"""Seconds between two lines of `--watch` in a pipe."""


class RunStatus(Message):
    """How far a run is: tasks done and in all, by stage.

    `splits` is None until the split stage is done. `failed` is the record of a failure, `why` says
    why it was interrupted or paused. While the run goes, `running` counts its attempts under way,
    and `bytes_per_s` is what its stage reads in a second.
    """

    run_id: str
    state: str
    splits: int | None
    partitions: int
    maps_done: int
    reduces_done: int
    failure: str = ""
    failed: Failure | None = None
    result_urls: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    why: str = ""
    running: int = 0
    bytes_per_s: float | None = None


def status(
    run: str | None = None,
    /,
    *,
    watch: Flag = False,
    json: Flag = False,
    fields: Fields = None,
    store: str | None = None,
) -> int:
    """Show how far a run is, why it failed if it did, and the next command.

    A run is running, done, failed, interrupted (by Ctrl-C or `cancel`), paused (at its limit of
    dollars) or lost: its driver has gone without a word.

        python -m driver status
        python -m driver status --watch
        python -m driver status brisk-owl --json

    Args:
        run: The run's id, or how it begins or ends (by default, the last run).
        watch: Show it again and again until the run is over: in a terminal in place, in a pipe a
            line every few seconds.
        json: Print one JSON document on standard output.
        fields: Of the document, only these fields, with commas between; implies --json.
        store: Folder or URL of the store (by default the stack's bucket, else .mapreduce in this
            folder).
    """
    from driver.targets.prepare import open_runs

    as_json = json or fields is not None
    if watch and as_json:
        raise UsageError("--watch shows a run to people; leave --json and --fields out")
    kept = open_runs(store)
    name = kept.resolve(run)
    if watch:
        _watch(kept, name)
    document = run_status(kept, name)
    if as_json:
        print_document(document, fields)
        return 0
    for text, style in status_lines(document, kept):
        answer(text, style=style)
    return 0


def run_status(kept: RunStore, name: str) -> RunStatus:
    """Return how far a run is, from its records."""
    plan, success, results = kept.plan(name), kept.success(name), kept.results(name)
    state = "done" if success else kept.state(name)
    model = _model(kept, name) if state not in ("done", "failed") else None
    failure = None if success else kept.failure(name)
    ended = kept.ended(name)
    splits, maps_done, reduces_done = _tasks_done(kept, plan, results, model)
    stage = model.stages[-1] if model and model.stages else None
    return RunStatus(
        run_id=name,
        state=state,
        splits=splits,
        partitions=plan.partitions,
        maps_done=maps_done,
        reduces_done=reduces_done,
        failure=failure.message if failure else "",
        failed=failure,
        result_urls=tuple(url for url, _, _ in success.parts) if success else (),
        steps=tuple(f"{step}: {kept.state(step)}" for step in kept.steps_of_chain(plan)),
        why=ended.why if ended and state == ended.state else "",
        running=stage.running if stage and state == "running" else 0,
        bytes_per_s=rate(stage, model.now) if stage and model and state == "running" else None,
    )


def _model(kept: RunStore, name: str) -> RunModel:
    from driver.history.run_events import events_of
    from driver.report.fold import run_model

    return run_model(events_of(kept, name), time.time())


def _tasks_done(
    kept: RunStore, plan: RunPlan, results: RunResults, model: RunModel | None
) -> tuple[int | None, int, int]:
    """Return the number of splits, and how many map and reduce tasks are done."""
    if results.split is not None or plan.chain:
        splits = len(results.split.splits) if results.split else None
        return splits, len(results.maps), len(results.reduces)
    done = {stage.stage: stage for stage in model.stages} if model else {}
    if "map" in done:
        reduces = done["reduce"].done if "reduce" in done else 0
        return done["map"].tasks, done["map"].done, reduces
    return _found_tasks(kept, plan)


def _found_tasks(kept: RunStore, plan: RunPlan) -> tuple[int | None, int, int]:
    """Return the same, of a run without events, from the finished tasks in the store."""
    from driver.history.reuse import FinishedTasks
    from driver.plan.tasks import map_tasks, split_task
    from mapreduce.wire.messages import SplitResult

    finished = FinishedTasks(kept.storage, kept.store)
    found = finished.find([split_task(plan)]).get(0)
    if not isinstance(found, SplitResult):
        return None, 0, 0
    return len(found.splits), len(finished.find(map_tasks(plan, found))), 0


def rate(stage: StageModel, now: float) -> float | None:
    """Return how many bytes a stage reads in a second; None before anything is known."""
    since = stage.first_attempt
    if since is None or now <= since or not stage.bytes_done:
        return None
    return stage.bytes_done / (now - since)


def status_lines(document: RunStatus, kept: RunStore) -> list[tuple[str, str]]:
    """Return the lines for people, and the style of each."""
    plan = kept.plan(document.run_id)
    lines = [f"{document.run_id}: {document.state}", *(f"  {step}" for step in document.steps)]
    if not plan.chain:
        splits, done = document.splits, document.maps_done
        maps = "not planned yet" if splits is None else f"{done} of {splits} done"
        lines.append(f"  maps     {maps}")
        lines.append(f"  reduces  {document.reduces_done} of {document.partitions} done")
    if document.running:
        speed = f", {bytes_text(document.bytes_per_s)}/s" if document.bytes_per_s else ""
        lines.append(f"  running  {plural(document.running, 'attempt')}{speed}")
    lines += [f"  result   {url}" for url in document.result_urls]
    if document.why:
        lines.append(f"  why      {document.why}")
    styled = [(text, "") for text in lines]
    styled += failure_lines(document.failed) if document.failed else []
    return styled + [(text, "") for text in _next_lines(document, plan.command, kept)]


def _next_lines(document: RunStatus, command: str, kept: RunStore) -> list[str]:
    name, place = document.run_id, kept.option
    if document.state == "running":
        return [
            f"watch it: {COMMAND} attach {name}{place}",
            f"end it: {COMMAND} cancel {name}{place}",
        ]
    if document.state == "planned":
        from driver.targets.plan_records import command_of_plan

        return [f"carry it out: {command_of_plan(kept, name)}"]
    if document.state in ("lost", "interrupted"):
        return [f"go on: {command}" if command else "go on: give the same command again"]
    if document.state == "paused":
        return [f"go on, with a higher --max-usd: {command or 'the same command again'}"]
    if document.state == "done":
        return [f"see the result: {COMMAND} result {name}{place}"]
    return []


def _watch(kept: RunStore, name: str) -> None:
    """Show a run in one line until it is over or lost."""
    from driver.history.run_names import chain_of
    from driver.history.watch import watch
    from driver.report.fold import RunFold

    fold, said = RunFold(), float("-inf")
    with rewritten() as show:
        for seen in watch(kept, chain_of(name) or name):
            for event in seen.events:
                fold(event)
            model = fold.model(time.time())
            in_place = terminal_width() is not None
            if seen.state == "running" and (in_place or time.monotonic() - said >= PLAIN_EVERY_S):
                said = time.monotonic()
                show(progress_line(name, model))


def progress_line(name: str, model: RunModel) -> str:
    """Return the state of a run that goes on, in a line."""
    if not model.stages:
        return f"{name}: {model.preparing or 'starts'}"
    stage = model.stages[-1]
    speed = rate(stage, model.now)
    rest = [
        f"{stage.stage} {stage.done:,} of {plural(stage.tasks, 'task')}",
        *([f"{stage.running:,} running"] if stage.running else []),
        *([f"{bytes_text(speed)}/s"] if speed else []),
    ]
    return f"{name}: {', '.join(rest)}"
