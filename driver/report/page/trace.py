"""A run as a Chrome trace, the JSON that Perfetto and chrome://tracing open. Pure.

The format is the "Trace Event Format": a process for each endpoint, a thread for each slot, a
complete event ("X") for each attempt; times are in microseconds since the run's beginning.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from driver.report.model import AttemptModel
from driver.report.page.document import RunDocument
from driver.report.page.tasks import lasted, task_name
from driver.report.page.timeline import busy_slots, recovered
from driver.text import LINE_LIMIT, storable

Entry = dict[str, Any]
DRIVER, STAGES, MARKS = 1, 1, 2
"""The process of the driver, and its threads."""
_COLOURS = {"failed": "terrible", "cancelled": "grey", "ended": "bad", "running": "yellow"}


def trace_json(document: RunDocument) -> str:
    """Return the trace of a run as one JSON document."""
    plan = document.plan
    return json.dumps(
        {
            "displayTimeUnit": "ms",
            "otherData": {
                "run": plan.run,
                "job": plan.job.name,
                "target": plan.target,
                "state": document.model.state,
            },
            "traceEvents": list(trace_events(document)),
        }
    )


def trace_events(document: RunDocument) -> Iterator[Entry]:
    """Yield the events of the trace: names, stages, attempts, recoveries, marks, busy slots."""
    yield from _names(document)
    for stage in document.model.stages:
        ended = stage.ended if stage.ended is not None else document.model.now
        yield {
            **_at(document, stage.started, DRIVER, STAGES),
            "ph": "X",
            "cat": "stage",
            "name": task_name(stage.step, stage.stage) + (" again" if stage.again else ""),
            "dur": _us(ended - stage.started),
            "args": {"tasks": stage.tasks, "reused": stage.reused, "slots": stage.slots},
        }
    places = _places(document)
    for attempt in document.model.attempts:
        yield _attempt(document, attempt, places[attempt.slot])
    yield from _flows(document, places)
    for mark in document.model.marks:
        yield {
            **_at(document, mark.at, DRIVER, MARKS),
            "ph": "i",
            "cat": "mark",
            "name": mark.kind,
            "s": "p",
            "args": {"text": storable(mark.text, LINE_LIMIT)},
        }
    for at, count in busy_slots(document.model):
        yield {
            **_at(document, at, DRIVER, 0),
            "ph": "C",
            "name": "busy slots",
            "args": {"busy": count},
        }


def _names(document: RunDocument) -> Iterator[Entry]:
    def named(what: str, process: int, thread: int, name: str) -> Entry:
        text = storable(name, LINE_LIMIT)
        return {"ph": "M", "name": what, "pid": process, "tid": thread, "args": {"name": text}}

    yield named("process_name", DRIVER, 0, "driver")
    yield named("thread_name", DRIVER, STAGES, "stages")
    yield named("thread_name", DRIVER, MARKS, "marks")
    processes = _processes(document)
    for endpoint, process in processes.items():
        yield named("process_name", process, 0, endpoint)
    for slot in document.model.slots:
        thread = slot.number + 1
        yield named("thread_name", processes[slot.endpoint], thread, f"slot {slot.number}")


def _processes(document: RunDocument) -> dict[str, int]:
    """Return the process of each endpoint."""
    endpoints = dict.fromkeys(slot.endpoint for slot in document.model.slots)
    return {endpoint: DRIVER + number for number, endpoint in enumerate(endpoints, 1)}


def _places(document: RunDocument) -> list[tuple[int, int]]:
    """Return the process and the thread of each slot."""
    processes = _processes(document)
    return [(processes[slot.endpoint], slot.number + 1) for slot in document.model.slots]


def _attempt(document: RunDocument, attempt: AttemptModel, place: tuple[int, int]) -> Entry:
    volumes = attempt.volumes
    args = {
        "attempt": attempt.number,
        "state": attempt.state,
        "backup": attempt.backup,
        "fault": attempt.fault,
        "error": storable(f"{attempt.kind}: {attempt.message}", LINE_LIMIT) if attempt.kind else "",
        "bytes_in": volumes.bytes_in,
        "bytes_out": volumes.bytes_out,
        "records_in": volumes.records_in,
        "records_out": volumes.records_out,
        "peak_memory_bytes": volumes.peak_memory_bytes,
    }
    made = {
        **_at(document, attempt.started, *place),
        "ph": "X",
        "cat": attempt.stage,
        "name": task_name(attempt.step, attempt.task),
        "dur": _us(lasted(attempt, document.model.now)),
        "args": {name: value for name, value in args.items() if value},
    }
    colour = _COLOURS.get(attempt.state)
    return made | {"cname": colour} if colour else made


def _flows(document: RunDocument, places: list[tuple[int, int]]) -> Iterator[Entry]:
    """Yield an arrow from each attempt that did not count to the one that did its work."""
    for number, (before, after) in enumerate(recovered(document.model)):
        if after is None or before.ended is None or after.started < before.started:
            continue
        common = {"cat": "recovery", "name": "recovery", "id": number}
        start = _at(document, before.started, *places[before.slot])
        end = _at(document, after.started, *places[after.slot])
        yield {**start, **common, "ph": "s"}
        yield {**end, **common, "ph": "f", "bp": "e"}


def _at(document: RunDocument, at: float, process: int, thread: int) -> Entry:
    return {"ts": _us(at - document.began), "pid": process, "tid": thread}


def _us(seconds: float) -> int:
    return max(0, round(seconds * 1e6))
