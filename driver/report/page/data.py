"""The data of a run's page: the document in the page itself, which `report --json` prints. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from driver.forecast.receipt import Receipt
from driver.plan.run_state import RunState
from driver.program.command_name import COMMAND
from driver.report.document import Timings
from driver.report.page.document import RunDocument
from driver.report.page.measures import METRICS, losses, phases, quantiles
from driver.report.page.tasks import STAGES, TaskLine, done
from driver.text import BLOCK_LIMIT, LINE_LIMIT, json_text, storable
from mapreduce.errors import InputError
from mapreduce.wire.messages import Message

VERSION = 1
TASKS_BYTES = 1_500_000
"""Bytes of the rows of tasks in a page; beyond, the slowest are kept."""
TASK_COLUMNS = (
    *("task", "state", "attempts", "endpoint", "started", "seconds", "bytes_in", "bytes_out"),
    *("records_in", "records_out", "memory_bytes"),
)
ROW_BYTES = 82
"""Of a row without its endpoint, generous."""
INPUTS_KEPT = 500
COUNTERS_KEPT = 500
PRINTS_KEPT = 300
OPENING = '<script id="data" type="application/json">'
CLOSING = "</script>"


class Table(Message):
    """Rows under named columns; `left_out` counts the rows that a page has no space for."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    left_out: int = 0


class StageTime(Message):
    """The seconds of a pass of a stage, and what they were spent on.

    `even` + `skew` is the least possible with these tasks and slots; `start`, `retries` and
    `waiting` are lost. `again` counts earlier passes.
    """

    step: int
    stage: str
    again: int
    tasks: int
    reused: int
    slots: int
    wall: float
    even: float
    skew: float
    start: float
    retries: float
    waiting: float


class RunData(Message):
    """The data of a run's page. Times are in seconds, sizes in bytes.

    `phases` are the parts of the run in order; the quantiles name the task of each value. Of inputs
    and counters the first are kept.
    """

    version: int = VERSION
    run: str
    state: RunState
    job: str
    target: str
    command: str
    started: float
    seconds: float
    inputs: Table
    input_bytes: int
    parameters: dict[str, Any]
    code: str
    build: dict[str, str]
    partitions: int
    timings: Timings | None
    phases: Table
    stages: tuple[StageTime, ...]
    quantiles: Table
    tasks: Table
    balanced: bool | None
    sums: int
    records_in: int | None
    pairs_shuffled: int | None
    records_out: int | None
    requests_usd: float | None
    receipt: Receipt | None
    recoveries: Table
    counters: dict[str, int]
    printed: Table
    failure: str
    failure_kind: str
    replay: str


def run_data(document: RunDocument, tasks_bytes: int | None = None) -> RunData:
    """Return the data of a run; with `tasks_bytes`, the rows of tasks stay below about so many."""
    plan, model, report = document.plan, document.model, document.report
    ledger = report.ledger if report else None
    failure = document.failure
    return RunData(
        run=plan.run,
        state=model.state,
        job=plan.job.name,
        target=plan.target,
        command=storable(plan.command),
        started=document.began,
        seconds=document.seconds,
        inputs=_inputs(document),
        input_bytes=sum(given.size for given in plan.inputs),
        parameters={
            storable(name, LINE_LIMIT): _bounded(value)
            for name, value in plan.job.parameters.items()
        },
        code=plan.job.code,
        build={name: str(value) for name, value in plan.build.model_dump().items()},
        partitions=plan.partitions,
        timings=report.timings if report else None,
        phases=Table(columns=("phase", "seconds"), rows=tuple(phases(document))),
        stages=_stages(document),
        quantiles=_quantiles(document),
        tasks=_tasks(document, tasks_bytes),
        balanced=ledger.balanced if ledger else None,
        sums=len(ledger.rows) if ledger else 0,
        records_in=ledger.records_in if ledger else None,
        pairs_shuffled=ledger.pairs_shuffled if ledger else None,
        records_out=ledger.records_out if ledger else None,
        requests_usd=report.requests.dollars if report and report.requests.total else None,
        receipt=document.receipt,
        recoveries=_recoveries(document),
        counters=_counters(document),
        printed=_printed(document),
        failure=storable(failure.message if failure else model.failure, BLOCK_LIMIT),
        failure_kind=failure.kind if failure else model.failure_kind,
        replay=failure.replay if failure else "",
    )


def embedded(data: RunData) -> str:
    """Return the data as JSON that is safe inside a script element of a page."""
    text = json_text(data.model_dump_json())
    return re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", text)


def read_back(page: str) -> RunData:
    """Return the data of a page; raises `InputError` when it has none that can be read."""
    _, found, rest = page.partition(OPENING)
    try:
        return RunData.model_validate_json(rest.partition(CLOSING)[0] if found else "")
    except ValueError as exc:
        raise InputError(
            "this is not the page of a run, or another version has made it; "
            f"make one with: {COMMAND} report RUN --output FILE"
        ) from exc


def _bounded(value: Any) -> Any:
    """Return a parameter's value; a long one as a text that is cut."""
    text = value if isinstance(value, str) else repr(value)
    return storable(text, LINE_LIMIT) if len(text) > LINE_LIMIT else value


def _inputs(document: RunDocument) -> Table:
    given = document.plan.inputs
    return Table(
        columns=("url", "bytes", "etag"),
        rows=tuple(
            (storable(each.url, LINE_LIMIT), each.size, storable(each.etag, LINE_LIMIT))
            for each in given[:INPUTS_KEPT]
        ),
        left_out=max(0, len(given) - INPUTS_KEPT),
    )


def _stages(document: RunDocument) -> tuple[StageTime, ...]:
    return tuple(
        StageTime(
            step=loss.stage.step,
            stage=loss.stage.stage,
            again=loss.stage.again,
            tasks=loss.stage.tasks,
            reused=loss.stage.reused,
            slots=loss.slots,
            wall=loss.wall,
            even=loss.even,
            skew=loss.skew,
            start=loss.start,
            retries=loss.retries,
            waiting=loss.waiting,
        )
        for loss in losses(document.model)
    )


def _quantiles(document: RunDocument) -> Table:
    rows = []
    for stage in STAGES:
        lines = list(done(document.tasks, stage))
        for metric in METRICS:
            values = quantiles(lines, metric)
            if values and values[-1][0]:
                flat = (part for each in values for part in each)
                rows.append((stage, metric.name, metric.unit, *flat))
    names = ("min", "5", "25", "50", "75", "95", "max")
    columns = (column for name in names for column in (name, f"{name} task"))
    return Table(columns=("stage", "metric", "unit", *columns), rows=tuple(rows))


def _tasks(document: RunDocument, most_bytes: int | None) -> Table:
    """Return the tasks; of more than fit, those that are not done, then the slowest."""
    began = document.began
    lines: Sequence[TaskLine] = document.tasks
    size = sum(len(line.endpoint) for line in lines) + ROW_BYTES * len(lines)
    fits = most_bytes is None or size <= most_bytes
    most = len(lines) if fits else len(lines) * (most_bytes or 0) // size
    if most < len(lines):
        lines = sorted(lines, key=lambda line: (line.state in ("done", "reused"), -line.seconds))
    rows = tuple(_task(line, began) for line in lines[:most])
    return Table(columns=TASK_COLUMNS, rows=rows, left_out=len(lines) - most)


def _task(line: TaskLine, began: float) -> tuple[Any, ...]:
    volumes = line.volumes
    return (
        line.name,
        line.state,
        line.attempts,
        storable(line.endpoint, 60),
        None if line.started is None else round(line.started - began, 3),
        round(line.seconds, 4),
        volumes.bytes_in,
        volumes.bytes_out,
        volumes.records_in,
        volumes.records_out,
        volumes.peak_memory_bytes,
    )


def _recoveries(document: RunDocument) -> Table:
    found = document.report.recoveries if document.report else ()
    return Table(
        columns=("task", "attempt", "endpoint", "what", "then", "cost_s"),
        rows=tuple(
            (
                *(storable(each.task, LINE_LIMIT), each.attempt, storable(each.endpoint, 60)),
                *(each.what, storable(each.then, LINE_LIMIT), each.cost_s),
            )
            for each in found[:PRINTS_KEPT]
        ),
        left_out=max(0, len(found) - PRINTS_KEPT),
    )


def _counters(document: RunDocument) -> dict[str, int]:
    found = document.report.counters if document.report else {}
    return {
        storable(name, LINE_LIMIT): count for name, count in list(found.items())[:COUNTERS_KEPT]
    }


def _printed(document: RunDocument) -> Table:
    rows = [
        (each.task, each.attempt, storable(line, LINE_LIMIT))
        for each in document.model.printed
        for line in each.lines
    ]
    left_out = max(0, len(rows) - PRINTS_KEPT)
    return Table(
        columns=("task", "attempt", "line"), rows=tuple(rows[:PRINTS_KEPT]), left_out=left_out
    )
