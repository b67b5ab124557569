"""Makes runs for the tests of the page: models of any size, and whole documents."""

from __future__ import annotations

import random
from typing import Any

from msgspec.structs import replace

from driver.plan.outcomes import Volumes
from driver.report.document import Report, TaskRow
from driver.report.model import AttemptModel, RunModel, SlotModel, StageModel
from driver.report.page.document import RunDocument
from mapreduce.engine import Ledger
from mapreduce.engine.ledger import LedgerRow
from tests.unit.driver.samples import empty_report, run_plan

BEGAN = 1_795_732_875.0
EVIL = "</script><script>alert('x')</script>&\x1b[31m\u202e\ud800 \u200b"
"""A text that tries to be markup and a script, colours, turns the writing round, and is not valid
Unicode."""


def attempt(
    task: str, started: float, ended: float | None, slot: int = 0, **more: Any
) -> AttemptModel:
    """Return an attempt at a task; times are in seconds after the run's beginning."""
    stage = task.partition("-")[0]
    values: dict[str, Any] = {
        "number": 1,
        "endpoint": f"{stage}per-{slot}",
        "state": "running" if ended is None else "done",
        "volumes": Volumes(1000, 100, 10, 5, 1 << 20),
    }
    return AttemptModel(
        stage=stage,  # type: ignore[arg-type]
        task=task,
        slot=slot,
        started=BEGAN + started,
        ended=None if ended is None else BEGAN + ended,
        **(values | more),
    )


def stage(name: str, started: float, ended: float | None, **more: Any) -> StageModel:
    """Return a pass of a stage; times are in seconds after the run's beginning."""
    values: dict[str, Any] = {"tasks": 1, "reused": 0, "done": 1, "slots": 1, "attempts": 1}
    return StageModel(
        stage=name,  # type: ignore[arg-type]
        started=BEGAN + started,
        ended=None if ended is None else BEGAN + ended,
        **({"first_attempt": BEGAN + started} | values | more),
    )


def model(*attempts: AttemptModel, stages: tuple[StageModel, ...] = (), **more: Any) -> RunModel:
    """Return a run of these attempts that is over when the last of them is."""
    last = max((each.ended or each.started for each in attempts), default=BEGAN)
    last = max([last, *(each.ended or BEGAN for each in stages)])
    slots = 1 + max((each.slot for each in attempts), default=-1)
    values: dict[str, Any] = {
        "run": "run-1",
        "state": "done",
        "job": "WordCount",
        "target": "local",
        "inputs": 1,
        "size_bytes": 1000,
        "started": BEGAN,
        "now": last,
        "ended": last,
        "slots": tuple(SlotModel(endpoint=f"mapper-{slot}", number=0) for slot in range(slots)),
    }
    return RunModel(attempts=attempts, stages=stages, **(values | more))


def ledger(rows: int = 3, *, wrong: int = 0) -> Ledger:
    """Return a ledger with sums of each kind; `wrong` of the partitions do not balance."""
    partitions = [
        LedgerRow(what=f"partition {n}", unit="pairs", expected=10, found=9 if n < wrong else 10)
        for n in range(rows)
    ]
    return Ledger(
        rows=(
            LedgerRow(what="bytes of a", unit="bytes", expected=1000, found=1000),
            LedgerRow(what="bytes of a", unit="times each", expected="1", found="1"),
            LedgerRow(what="partitions reduced", unit="partitions", expected=rows, found=rows),
            *partitions,
            LedgerRow(what="ETag of a", unit="", expected="e1", found="e1"),
        ),
        bytes_in=1000,
        records_in=20,
        pairs_shuffled=10 * rows,
        records_out=7,
    )


def report(**changes: object) -> Report:
    """Return the report of a run with a ledger and a result."""
    values = {"ledger": ledger(), "result_urls": ("file:///store/result.json",), "records": 7}
    return empty_report(**(values | changes))


def row(stage_name: str, index: int, **more: Any) -> TaskRow:
    """Return a task's row of a report."""
    values: dict[str, Any] = {
        "attempts": 1,
        "endpoint": "mapper-0",
        "reused": False,
        "seconds": 1.0,
        "bytes_in": 1000,
        "bytes_out": 100,
        "records_in": 10,
        "records_out": 5,
        "peak_memory_bytes": 1 << 20,
    }
    return TaskRow(stage=stage_name, index=index, **(values | more))


def small_document(**more: Any) -> RunDocument:
    """Return a run of four map tasks, one of which failed once, and two reduce tasks."""
    attempts = (
        attempt("split-0", 0.5, 0.6, 0),
        attempt("map-0", 1, 2, 1),
        attempt("map-1", 1, 1.5, 2, state="failed", kind="TaskLost", message="gone", then="again"),
        attempt("map-1", 2, 4, 2, number=2),
        attempt("map-2", 2, 3, 1),
        attempt("map-3", 3, 3.5, 1, volumes=Volumes(4000, 100, 40, 5, 1 << 20)),
        attempt("reduce-0", 4.5, 5, 3),
        attempt("reduce-1", 4.5, 6, 4, volumes=Volumes(3000, 50, 30, 5, 1 << 20)),
    )
    stages = (
        stage("split", 0.4, 0.7),
        stage("map", 0.9, 4, tasks=4, done=4, slots=2, attempts=5, failures=1),
        stage("reduce", 4.4, 6.1, tasks=2, done=2, slots=2, attempts=2),
    )
    values: dict[str, Any] = {
        "plan": run_plan(created=BEGAN),
        "model": model(*attempts, stages=stages),
        "report": report(),
    }
    return RunDocument(**(values | more))


def large_document(tasks: int, slots: int = 40) -> RunDocument:
    """Return a run of many map tasks, of which one in a hundred has failed."""
    chance, free = random.Random(tasks), [1.0] * slots
    attempts = []
    for number in range(tasks):
        slot = min(range(slots), key=free.__getitem__)
        took = chance.lognormvariate(0, 0.5)
        lost = {"state": "failed", "kind": "TaskLost"} if chance.random() < 0.01 else {}
        attempts.append(attempt(f"map-{number}", free[slot], free[slot] + took, slot, **lost))
        free[slot] += took + 0.01
    passed = stage("map", 0, max(free), tasks=tasks, done=tasks, slots=slots, attempts=tasks)
    return RunDocument(
        plan=run_plan(created=BEGAN), model=model(*attempts, stages=(passed,)), report=report()
    )


def evil_document() -> RunDocument:
    """Return a failed run in which every text of a user, a job or AWS is `EVIL`, some very long."""
    from driver.history.failure import Cause, Failure
    from driver.history.run_store import DeadLetter
    from driver.report.model import Mark, Printed, Skipped
    from driver.text import storable
    from mapreduce.wire.messages import InputObject, JobSpec

    storable_evil = storable(EVIL)  # what a record can hold
    long = storable(EVIL * 300_000, 10_000_000)
    first = small_document().model
    attempts = tuple(
        replace(each, endpoint=EVIL, status=EVIL, message=long, kind=EVIL, then=EVIL, fault=EVIL)
        for each in first.attempts
    )
    changed = replace(
        first,
        state="failed",
        attempts=attempts,
        slots=tuple(SlotModel(endpoint=EVIL, number=n) for n in range(len(first.slots))),
        marks=(Mark(at=BEGAN + 1, kind="LookFailed", text=long),),
        printed=(Printed(task="map-0", attempt=1, lines=(EVIL, long), left_out=5),),
        skipped=(Skipped(task="map-0", place=EVIL, message=EVIL),),
        skipped_records=1,
        failure=EVIL,
    )
    cause = Cause(
        task="map-0",
        attempts=2,
        kind="UserCodeError",
        message=storable_evil,
        traceback=long,
        place=storable_evil,
        record=long,
    )
    job = JobSpec(
        code="0" * 64, module="evil", name="Evil", parameters={storable_evil: long, "p": [long]}
    )
    given = InputObject(url=f"file:///{storable_evil}", size=1, etag=storable_evil, name="")
    letter = DeadLetter(
        place=storable_evil,
        url=storable_evil,
        key=storable_evil,
        record=long,
        message=storable_evil,
        traceback=long,
    )
    return RunDocument(
        plan=run_plan(job=job, inputs=(given,), command=long, created=BEGAN),
        model=changed,
        report=report(counters={storable_evil: 1, long: 2}, result_urls=(storable_evil,)),
        failure=Failure(
            run="run-1",
            kind="JobFailed",
            message=long,
            causes=(cause,),
            replay=f"python -m driver replay {storable_evil}",
        ),
        letters=(letter,),
    )
