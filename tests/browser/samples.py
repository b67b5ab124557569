"""Runs for the pages to show: made-up events of any number of tasks, and a driver that writes them.

Times are fixed, so that a picture of a page shows a change of the page and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from driver.history.failure import Cause, Failure
from driver.history.lease import Lease
from driver.history.run_index import RunSummary
from driver.history.run_store import DeadLetter, RunStore
from driver.plan import events
from driver.plan.events import AttemptProgress, Event, encoded
from driver.plan.outcomes import Volumes
from driver.plan.tasks import RunPlan
from driver.report.document import Report
from driver.report.fold import run_model
from driver.report.page.document import RunDocument
from mapreduce.wire import keys
from mapreduce.wire.messages import InputObject
from tests.unit.driver.samples import JOB, empty_report, run_plan

BEGAN = 1_764_000_000.0
RUN = "run-20251124-160000-brisk-owl"
SLOTS = 16
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202ehx-get='/x'"
"""Text that is a script, a request, an escape code of a terminal, and turns text around."""


def plan(run: str = RUN, store: str = "file:///store", **changes: object) -> RunPlan:
    """Return the plan of a run over one input."""
    return run_plan(run=run, store=store, created=BEGAN, **changes)


def happened(tasks: int, text: str = "", at: float = BEGAN) -> list[Event]:
    """Return the events of a run of so many map tasks on 16 slots, one of which failed once.

    Args:
        tasks: the map tasks.
        text: what a service, an error, a record and a print say.
        at: when it began.
    """
    found: list[Event] = [
        events.RunStarted(
            at=at, run=RUN, job="Count", target="local", inputs=1, size_bytes=tasks << 20
        ),
        events.StageStarted(at=at, stage="map", tasks=tasks, reused=0, size_bytes=tasks << 20),
    ]
    found += _attempts("map", tasks, at + 0.5, text)
    last = max(event.at for event in found)
    found += [
        events.StageDone(at=last, stage="map", seconds=last - at),
        events.StageStarted(at=last, stage="reduce", tasks=1, reused=0, size_bytes=tasks << 10),
        *_attempts("reduce", 1, last, text),
    ]
    end = found[-1].at
    return [
        *found,
        events.StageDone(at=end, stage="reduce", seconds=end - last),
        events.RunDone(at=end + 0.1, run=RUN, seconds=end + 0.1 - at),
    ]


def _attempts(stage: str, tasks: int, at: float, text: str) -> Iterator[Event]:
    free = [at] * SLOTS
    for number in range(tasks):
        slot = min(range(SLOTS), key=free.__getitem__)
        task, endpoint = f"{stage}-{number}", f"{stage}per-{slot // 4}{text}"
        attempt, began = 1, free[slot]
        yield events.AttemptStarted(at=began, task=task, attempt=attempt, endpoint=endpoint)
        if number == 3:
            began += 0.4
            yield events.AttemptFailed(
                at=began,
                task=task,
                attempt=attempt,
                endpoint=endpoint,
                kind="TaskFailed",
                message=f"the worker ended {text}",
                then="again",
                seconds=0.4,
            )
            if text:
                yield events.RecordSkipped(at=began, task=task, place=text, message=text)
                yield events.Said(at=began, task=task, attempt=attempt, lines=(text, text))
            attempt = 2
            yield events.AttemptStarted(at=began, task=task, attempt=attempt, endpoint=endpoint)
        took = 1.0 + (number * 37 % 100) / 100
        free[slot] = began + took
        yield events.AttemptDone(
            at=free[slot],
            task=task,
            attempt=attempt,
            endpoint=endpoint,
            seconds=took,
            size_bytes=1 << 20,
            volumes=Volumes(1 << 20, 1 << 18, 10_000, 2_000, 200 << 20),
        )


def in_order(found: Sequence[Event]) -> list[Event]:
    """Return events in the order of their time, as a driver writes them."""
    return sorted(found, key=lambda event: event.at)


def report(found: Sequence[Event], run: str = RUN, **changes: object) -> Report:
    """Return the report of a run that is done."""
    seconds = found[-1].at - found[0].at
    made = empty_report(run_id=run, job="Count", records=2, top=(("the", 2), ("owl", 1)), **changes)
    timings = made.timings.model_copy(
        update={"map_wall": seconds * 0.9, "reduce": seconds * 0.1, "end_to_end": seconds}
    )
    return made.model_copy(update={"timings": timings})


def done(tasks: int) -> RunDocument:
    """Return the document of a run that is done."""
    found = in_order(happened(tasks))
    return RunDocument(plan=plan(), model=run_model(found, BEGAN), report=report(found))


def empty() -> RunDocument:
    """Return the document of a run of which only the plan is there, and whose driver is gone."""
    return RunDocument(plan=plan(), model=run_model([], BEGAN, "lost"))


def hostile() -> RunDocument:
    """Return the document of a failed run, all of whose texts are hostile."""
    found = in_order(happened(40, HOSTILE))[:-1]
    found.append(events.RunFailed(at=found[-1].at, run=RUN, kind="UserCodeError", message=HOSTILE))
    cause = Cause(
        task="map-3",
        attempts=4,
        kind="UserCodeError",
        message=HOSTILE,
        traceback=f'  File "{HOSTILE}.py", line 1, in map\n    {HOSTILE}',
        place=HOSTILE,
        record=HOSTILE,
        url=f"file:///{HOSTILE}",
        offset=5,
        line=2,
    )
    letter = DeadLetter(
        place=HOSTILE, url=HOSTILE, key=HOSTILE, record=HOSTILE, message=HOSTILE, traceback=HOSTILE
    )
    inputs = (InputObject(url=f"file:///{HOSTILE}.txt", size=1000, etag=HOSTILE),)
    return RunDocument(
        plan=plan(inputs=inputs, job=JOB.model_copy(update={"name": HOSTILE})),
        model=run_model(found, BEGAN),
        failure=Failure(
            run=RUN, kind="UserCodeError", message=HOSTILE, causes=(cause,), replay=HOSTILE
        ),
        letters=[letter],
    )


@dataclass
class FakeDriver:
    """Writes what the driver of a run writes while it goes, when the test wants it."""

    runs: RunStore
    run: str
    segments: int = 0

    @classmethod
    def begin(cls, runs: RunStore, created: float) -> FakeDriver:
        """Write the plan of a new run."""
        return cls(
            runs, runs.begin(plan(store=runs.store).model_copy(update={"created": created})).run
        )

    def beat(self, found: Sequence[Event] = ()) -> None:
        """Renew the lease, and write a segment of events."""
        lease = Lease.of_this_process().model_dump_json().encode()
        self.runs.storage.write(keys.run_lease(self.runs.store, self.run), lease)
        if found:
            url = keys.segment(self.runs.store, self.run, self.segments)
            self.runs.storage.write(url, encoded(found))
            self.segments += 1

    def end(self, found: Sequence[Event]) -> None:
        """Write the records of the end, in the order of the driver, and delete the segments."""
        kept = [event for event in found if not isinstance(event, AttemptProgress)]
        self.runs.commit(self.run, [], 0)
        self.runs.write(self.run, "events.jsonl", encoded(kept))
        written = [
            keys.segment(self.runs.store, self.run, number) for number in range(self.segments)
        ]
        self.runs.storage.delete([*written, keys.run_lease(self.runs.store, self.run)])
        self.runs.write(self.run, "report.json", report(found, self.run))
        created = self.runs.plan(self.run).created
        enter(self.runs, self.run, created, found[-1].at - found[0].at)


def enter(runs: RunStore, run: str, created: float, seconds: float) -> None:
    """Enter a run into the index."""
    summary = RunSummary(
        state="done",
        created=created,
        seconds=seconds,
        usd=0.0123,
        inputs=1,
        size_bytes=1 << 20,
        target="local",
        job="Count",
    )
    runs.enter(run, summary)
