"""What each section of a run's page shows: the values that its template names. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import Any

from driver.forecast.receipt import ReceiptLine
from driver.report.model import AttemptModel
from driver.report.page.data import TASK_COLUMNS
from driver.report.page.document import RunDocument
from driver.report.page.ledger_flow import laws
from driver.report.page.measures import METRICS, Loss, losses, phases, quantiles, skew
from driver.report.page.tasks import STAGES, TaskLine, done, lasted, task_name
from driver.report.page.timeline import recovered, timeline
from driver.report.templating import as_it_is
from driver.text import TRACEBACK_LIMIT, cut_middle

View = dict[str, object]
STATES = {
    "planned": "Planned",
    "running": "Running",
    "done": "Done",
    "failed": "Failed",
    "interrupted": "Interrupted",
    "paused": "Paused at its limit",
    "lost": "Lost",
}
SIGNS = {"done": "✓", "failed": "✗", "lost": "✗", "running": "▸", "paused": "‖", "interrupted": "■"}
CAUSES_SHOWN = 3
BARS_SHOWN = 48
FAULTS_SHOWN = 200
COUNTERS_SHOWN = 200
LINES_SHOWN = 300
LETTERS_SHOWN = 20
ROWS_SHOWN = 50
INPUTS_SHOWN = 50
RESULTS_SHOWN = 3
WORTH_NAMING = 0.1
"""A loss is named in the verdict when it is at least this share of the run's time."""


def verdict(document: RunDocument) -> View:
    """Return whether the run is good, what it cost, and where its time went."""
    model, report = document.model, document.report
    tasks = sum(stage.tasks for stage in model.stages)
    return {
        "state": model.state,
        "state_words": STATES[model.state],
        "sign": SIGNS.get(model.state, "·"),
        "parts": _strip(phases(document), document.seconds),
        "loss": worst_loss(document),
        "forecast": _line(document, "end_to_end"),
        "price": _line(document, "usd"),
        "usd": document.receipt.usd if document.receipt else None,
        "requests_usd": report.requests.dollars if report and report.requests.total else None,
        "tasks_done": sum(stage.done for stage in model.stages),
        "tasks": tasks,
        "reused": sum(stage.reused for stage in model.stages),
        "results": report.result_urls[:RESULTS_SHOWN] if report else (),
    }


def worst_loss(document: RunDocument) -> tuple[Loss, str, float] | None:
    """Return the stage, the name and the seconds of the greatest loss; None for a small one."""
    found = [(loss, *loss.worst) for loss in losses(document.model)]
    worst = max(found, key=lambda each: each[2], default=None)
    if worst is None or worst[2] < WORTH_NAMING * document.seconds:
        return None
    return worst


def failure(document: RunDocument) -> View:
    """Return why the run failed: the first causes, each with its record and traceback."""
    found = document.failure
    causes = [
        cause.model_copy(update={"traceback": cut_middle(cause.traceback, TRACEBACK_LIMIT)})
        for cause in (found.causes if found else ())
    ]
    return {"failure": found, "causes": causes[:CAUSES_SHOWN], "more": causes[CAUSES_SHOWN:]}


def timeline_view(document: RunDocument) -> View:
    """Return the timeline and its words."""
    drawn = timeline(document)
    path = [
        (task_name(each.step, each.task), each.endpoint, lasted(each, document.model.now))
        for each in drawn.path
    ]
    return {
        "timeline": drawn,
        "cells": as_it_is(f"[{','.join(map(str, drawn.cells))}]"),
        "path": path[-LINES_SHOWN:],
        "path_s": sum(seconds for _, _, seconds in path),
        "began": document.began,
    }


def time_spent(document: RunDocument) -> View:
    """Return where the time went, against the least possible."""
    found = losses(document.model)
    return {
        "phases": _strip(phases(document), document.seconds),
        "losses": [(_name(loss), loss, _parts(loss)) for loss in found],
        "longest": max((loss.wall for loss in found), default=0.0),
    }


def _name(loss: Loss) -> str:
    name = task_name(loss.stage.step, loss.stage.stage)
    return f"{name}, again" if loss.stage.again else name


def _parts(loss: Loss) -> list[tuple[str, float]]:
    return [(name, getattr(loss, name)) for name in ("even", "skew", "start", "retries", "waiting")]


def quantile_tables(document: RunDocument) -> View:
    """Return a table for each stage that has several tasks."""
    tables = []
    for stage in STAGES[1:]:  # a run has one split task
        lines = list(done(document.tasks, stage))
        if len(lines) < 2:
            continue
        rows = [(metric, quantiles(lines, metric)) for metric in METRICS]
        rows = [(metric, values) for metric, values in rows if values[-1][0]]
        tables.append((stage, len(lines), rows))
    return {"tables": tables}


@dataclass(frozen=True, slots=True)
class SkewBar:
    """A partition: the share of the greatest one in percent, and its quantities."""

    name: str
    percent: float
    size_bytes: int
    pairs: int
    is_heaviest: bool


def skew_view(document: RunDocument) -> View:
    """Return how unevenly the partitions are filled."""
    lines = [line for line in document.tasks if line.stage == "reduce"]
    lines = [line for line in lines if line.state in ("done", "reused")]
    sizes = [line.volumes.bytes_in for line in lines]
    shown_lines = lines
    if len(lines) > BARS_SHOWN:
        heaviest = sorted(lines, key=lambda line: -line.volumes.bytes_in)[:BARS_SHOWN]
        shown_lines = sorted(heaviest, key=lambda line: (line.step, line.index))
    maps = list(done(document.tasks, "map"))
    most = max(sizes, default=0)
    return {
        "partitions": len(lines),
        "score": skew(sizes),
        "map_score": skew([line.seconds for line in maps]),
        "slowest": max(maps, key=lambda line: line.seconds, default=None),
        "map_median": median(line.seconds for line in maps) if maps else 0,
        "median": median(sizes) if sizes else 0,
        "bars": [_skew_bar(line, most) for line in shown_lines] if len(lines) > 1 else [],
        "left_out": len(lines) - len(shown_lines),
        "heaviest": max(lines, key=lambda line: line.volumes.bytes_in, default=None),
    }


def _skew_bar(line: TaskLine, most: int) -> SkewBar:
    size = line.volumes.bytes_in
    share = round(size / most * 100, 2) if most else 0.0
    return SkewBar(line.name, share, size, line.volumes.records_in, size == most)


def ledger(document: RunDocument) -> View:
    """Return the ledger as a flow, with its laws."""
    report = document.report
    return {
        "ledger": report.ledger if report else None,
        "laws": laws(report.ledger) if report else [],
        "maps": sum(1 for line in document.tasks if line.stage == "map"),
        "parts": len(report.result_urls) if report else 0,
        "partitions": sum(1 for line in document.tasks if line.stage == "reduce"),
    }


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong with an attempt, and what made good for it."""

    attempt: AttemptModel
    task: str
    after: AttemptModel | None
    cost_s: float


def faults(document: RunDocument) -> View:
    """Return the attempts that did not count, each with the one that did its work."""
    model = document.model
    lost = [
        Fault(before, task_name(before.step, before.task), after, lasted(before, model.now))
        for before, after in recovered(model)
    ]
    survived = [each for each in model.attempts if each.fault and each.state == "done"]
    redone = [mark for mark in model.marks if mark.kind == "OutputsRedone"]
    kinds = Counter(each.attempt.kind or each.attempt.state for each in lost)
    return {
        "faults": lost[:FAULTS_SHOWN],
        "left_out": max(0, len(lost) - FAULTS_SHOWN),
        "kinds": kinds.most_common(),
        "survived": Counter(each.fault for each in survived).most_common(),
        "redone": redone[:LETTERS_SHOWN],
        "cost_s": sum(each.cost_s for each in lost),
    }


def receipt(document: RunDocument) -> View:
    """Return the receipt."""
    return {"receipt": document.receipt}


def _line(document: RunDocument, name: str) -> ReceiptLine | None:
    lines = document.receipt.lines if document.receipt else ()
    return next((line for line in lines if line.name == name), None)


def counters(document: RunDocument) -> View:
    """Return the job's counters."""
    found = list(document.report.counters.items()) if document.report else []
    return {"counters": found[:COUNTERS_SHOWN], "left_out": max(0, len(found) - COUNTERS_SHOWN)}


def letters(document: RunDocument) -> View:
    """Return the records that were set aside."""
    skipped = document.model.skipped
    return {
        "letters": document.letters[:LETTERS_SHOWN],
        "skipped": skipped[:LETTERS_SHOWN],
        "count": document.model.skipped_records,
    }


def prints(document: RunDocument) -> View:
    """Return what the job has printed."""
    lines = [
        (task_name(each.step, each.task), line)
        for each in document.model.printed
        for line in each.lines
    ]
    return {
        "lines": lines[:LINES_SHOWN],
        "more": max(0, len(lines) - LINES_SHOWN),
        "left_out": sum(each.left_out for each in document.model.printed),
    }


def tasks(document: RunDocument) -> View:
    """Return the first rows of the table of tasks; the script shows the others."""
    lines = document.tasks
    return {
        "rows": lines[:ROWS_SHOWN],
        "count": len(lines),
        "columns": TASK_COLUMNS,
        "states": [state for state, _ in Counter(line.state for line in lines).most_common()],
        "began": document.began,
        "shown": ROWS_SHOWN,
    }


def provenance(document: RunDocument) -> View:
    """Return what the result depends on, and how to make it again."""
    plan = document.plan
    cut: dict[str, Any] = plan.cut.model_dump(exclude_none=True)
    return {
        "parameters": list(plan.job.parameters.items())[:COUNTERS_SHOWN],
        "inputs": plan.inputs[:INPUTS_SHOWN],
        "left_out": max(0, len(plan.inputs) - INPUTS_SHOWN),
        "cut": ", ".join(f"{name} {value}" for name, value in cut.items()),
        "build": {"version": plan.version} | plan.build.model_dump(),
        "job": f"{plan.job.module}:{plan.job.name}",
    }


def _strip(
    parts: list[tuple[str, float]], whole: float
) -> list[tuple[str, str, float, float, float]]:
    """Return each part's name, its kind, its place and its width in percent, and its seconds."""
    found, x = [], 0.0
    total = max(whole, sum(seconds for _, seconds in parts), 1e-9)
    for name, seconds in parts:
        kind = name.rpartition(":")[2].partition(",")[0]
        width = seconds / total * 100
        found.append((name, kind, round(x, 3), round(width, 3), seconds))
        x += width
    return found
