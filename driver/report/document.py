"""The report of a run: the document that `--json` prints, and the source of the tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

from driver.forecast.pricing import requests_price
from driver.forecast.receipt import Receipt
from driver.plan import events
from driver.plan.events import Event
from driver.plan.outcomes import Outcome, volumes_of
from driver.plan.tasks import RunPlan
from driver.text import text_of
from mapreduce.engine import Ledger
from mapreduce.engine.top_pairs import TopPairs
from mapreduce.storage import Requests
from mapreduce.wire.messages import (
    ByteRange,
    InvalidText,
    MapResult,
    Message,
    ReduceResult,
    SplitResult,
    StageName,
)

OUTPUT_REDONE = "output lost"
"""The `what` of the recovery from a map output that was lost."""


class TaskRow(Message):
    """One task of a run.

    Sizes are in bytes. `seconds` is the time that the driver measured, or of a `reused` task that
    of the earlier run. `step` is 0, or the number of the chain's step that the task belongs to.
    """

    step: int = 0
    stage: StageName
    index: int
    attempts: int
    endpoint: str
    reused: bool
    seconds: float
    bytes_in: int
    bytes_out: int
    records_in: int
    records_out: int
    peak_memory_bytes: int


class Recovery(Message):
    """A failure that the run recovered from.

    `what` is the kind of error, "slower than its backup", "output lost" or "record skipped";
    `cost_s` the seconds of wasted work.
    """

    task: str
    attempt: int = 0
    endpoint: str = ""
    what: str
    why: str
    then: str
    cost_s: float = 0.0


class InjectedFault(Message):
    """An injected fault, and the attempt (as its objects are named) that it was injected into."""

    task: str
    attempt: str
    fault: str


class Timings(Message):
    """Times in seconds.

    `start` is until the services answer, `map_serial_sum` adds up the map tasks, `map_wall` is the
    stage's wall time, and `speed_up` is their ratio.
    """

    start: float
    split: float
    map_serial_sum: float
    map_wall: float
    reduce: float
    end_to_end: float
    speed_up: float


class RunRequests(Message):
    """The run's requests to S3: in all, by its tasks, and by the driver; none for a local folder.

    Those of reused tasks belong to an earlier run, and those of attempts that did not count are
    unknown. `dollars` is their list price (`driver.forecast.pricing`).
    """

    total: Requests = Requests()
    split: Requests = Requests()
    maps: Requests = Requests()
    reduces: Requests = Requests()
    driver: Requests = Requests()
    dollars: float = 0.0


class Report(Message):
    """A run's report. A chain's has the tasks of all steps, and the other fields of the last step.

    `left_out` counts the entries of the given folders that are not inputs; `invalid_text` is what
    was not in the input's encoding. `notes` name failures that did not end the run: a record that
    could not be kept, an event that could not be shown. `receipt` has what the run used beside its
    forecast.
    """

    run_id: str
    target: str
    job: str
    chunk_urls: tuple[str, ...]
    map_urls: tuple[str, ...]
    result_urls: tuple[str, ...]
    records: int
    top: tuple[tuple[Any, Any], ...]
    counters: dict[str, int]
    timings: Timings
    tasks: tuple[TaskRow, ...]
    ledger: Ledger
    reused_tasks: int
    steps: tuple[str, ...] = ()
    recoveries: tuple[Recovery, ...] = ()
    faults: tuple[InjectedFault, ...] = ()
    requests: RunRequests = RunRequests()
    left_out: int = 0
    invalid_text: InvalidText | None = None
    notes: tuple[str, ...] = ()
    receipt: Receipt | None = None


def chain_report(
    plan: RunPlan,
    reports: Sequence[Report],
    result_urls: Sequence[str],
    ledger: Ledger,
    driver: Requests,
) -> Report:
    """Return the report of a chain, from those of its steps.

    `driver` counts the driver's requests for the whole chain.
    """
    last = reports[-1]
    timings = [report.timings for report in reports]
    seconds = {
        "start": next((each.start for each in timings if each.start), 0.0),
        "split": sum(each.split for each in timings),
        "map": sum(each.map_wall for each in timings),
        "reduce": sum(each.reduce for each in timings),
    }
    serial = sum(each.map_serial_sum for each in timings)
    return last.model_copy(
        update={
            "run_id": plan.run,
            "job": plan.job.name,
            "result_urls": tuple(result_urls),
            "timings": _timings(seconds, serial, last.timings.end_to_end),
            "tasks": tuple(
                row.model_copy(update={"step": number})
                for number, report in enumerate(reports, 1)
                for row in report.tasks
            ),
            "ledger": ledger,
            "reused_tasks": sum(report.reused_tasks for report in reports),
            "steps": tuple(report.run_id for report in reports),
            "invalid_text": _together(report.invalid_text for report in reports),
            "recoveries": tuple(each for report in reports for each in report.recoveries),
            "faults": tuple(each for report in reports for each in report.faults),
            "requests": _requests(
                split=(report.requests.split for report in reports),
                maps=(report.requests.maps for report in reports),
                reduces=(report.requests.reduces for report in reports),
                driver=driver,
            ),
        }
    )


def make_report(
    plan: RunPlan,
    split: Outcome,
    maps: Sequence[Outcome],
    reduces: Sequence[Outcome],
    ledger: Ledger,
    result_urls: Sequence[str],
    stage_seconds: dict[str, float],
    end_to_end: float,
    happened: Sequence[Event],
    driver: Requests,
) -> Report:
    """Return the report of a run's outcomes; `driver` counts the driver's requests for it."""
    outcomes = [split, *maps, *reduces]
    serial = sum(outcome.seconds for outcome in maps if not outcome.reused)
    return Report(
        run_id=plan.run,
        target=plan.target,
        job=plan.job.name,
        chunk_urls=_chunk_urls(split.result),
        map_urls=tuple(
            outcome.result.url
            for outcome in maps
            if isinstance(outcome.result, MapResult) and outcome.result.url
        ),
        result_urls=tuple(result_urls),
        records=ledger.records_out,
        top=_top(reduces if plan.partitions else maps, plan.top),
        counters=_counters(outcomes),
        timings=_timings(stage_seconds, serial, end_to_end),
        tasks=tuple(_row(outcome) for outcome in outcomes),
        ledger=ledger,
        reused_tasks=sum(outcome.reused for outcome in outcomes),
        recoveries=recoveries(happened),
        faults=tuple(
            InjectedFault(task=event.task, attempt=event.attempt, fault=event.fault)
            for event in happened
            if isinstance(event, events.FaultInjected)
        ),
        requests=_requests(_made([split]), _made(maps), _made(reduces), driver),
        left_out=plan.left_out,
        invalid_text=_together(
            outcome.result.invalid for outcome in maps if isinstance(outcome.result, MapResult)
        ),
    )


def _together(found: Iterable[InvalidText | None]) -> InvalidText | None:
    """Return the sums of all text that was not UTF-8, with the first place."""
    some = [each for each in found if each is not None]
    if not some:
        return None
    size_bytes, lines = sum(each.size_bytes for each in some), sum(each.lines for each in some)
    return InvalidText(size_bytes=size_bytes, lines=lines, first=some[0].first)


def _made(outcomes: Sequence[Outcome]) -> Iterator[Requests]:
    return (outcome.result.cost.requests for outcome in outcomes if not outcome.reused)


def _requests(
    split: Iterable[Requests],
    maps: Iterable[Requests],
    reduces: Iterable[Requests],
    driver: Requests,
) -> RunRequests:
    of_split, of_maps, of_reduces = (sum(each, Requests()) for each in (split, maps, reduces))
    total = of_split + of_maps + of_reduces + driver
    return RunRequests(
        total=total,
        split=of_split,
        maps=of_maps,
        reduces=of_reduces,
        driver=driver,
        dollars=requests_price(total),
    )


def recoveries(happened: Sequence[Event]) -> tuple[Recovery, ...]:
    """Return the failures that a run recovered from, in the order of their events."""
    return tuple(row for event in happened if (row := _recovery(event)) is not None)


def _recovery(event: Event) -> Recovery | None:
    if isinstance(event, events.AttemptFailed):
        return Recovery(
            task=event.task,
            attempt=event.attempt,
            endpoint=event.endpoint,
            what=event.kind,
            why=event.message,
            then=event.then,
            cost_s=event.seconds,
        )
    if isinstance(event, events.AttemptCancelled):
        return Recovery(
            task=event.task,
            attempt=event.attempt,
            endpoint=event.endpoint,
            what="slower than its backup",
            why="another attempt had the result first",
            then="cancelled",
            cost_s=event.seconds,
        )
    if isinstance(event, events.OutputsRedone):
        names = ", ".join(event.tasks)
        return Recovery(task=names, what=OUTPUT_REDONE, why=event.why, then="done again")
    if isinstance(event, events.RecordSkipped):
        return Recovery(
            task=event.task,
            what="record skipped",
            why=f"{event.place}: {event.message}",
            then="set aside as a dead letter",
        )
    return None


def _chunk_urls(result: object) -> tuple[str, ...]:
    assert isinstance(result, SplitResult)
    return tuple(_chunk_url(piece) for split in result.splits for piece in split.pieces)


def _chunk_url(piece: ByteRange) -> str:
    """Return a chunk file's URL, or a byte range as `URL#bytes=first-last` (both inclusive)."""
    whole = piece.start == 0 and piece.end == piece.size
    return piece.url if whole else f"{piece.url}#bytes={piece.start}-{piece.end - 1}"


def _top(parts: Sequence[Outcome], limit: int) -> tuple[tuple[Any, Any], ...]:
    top = TopPairs(limit)
    results = [outcome.result for outcome in parts if not isinstance(outcome.result, SplitResult)]
    rows = [
        row
        for result in results
        for row in zip_longest(result.top, result.top_lengths[: len(result.top)])
    ]
    for (key, value), length in sorted(rows, key=lambda row: text_of(row[0][0])):
        top.offer(key, value, length)
    return tuple(top.pairs())


def _counters(outcomes: Sequence[Outcome]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for outcome in outcomes:
        if isinstance(outcome.result, MapResult | ReduceResult):
            total.update(outcome.result.counters)
    return dict(sorted(total.items()))


def _timings(stage_seconds: dict[str, float], serial: float, end_to_end: float) -> Timings:
    wall = stage_seconds["map"]
    return Timings(
        start=stage_seconds["start"],
        split=stage_seconds["split"],
        map_serial_sum=serial,
        map_wall=wall,
        reduce=stage_seconds["reduce"],
        end_to_end=end_to_end,
        speed_up=serial / wall if wall else 0.0,
    )


def _row(outcome: Outcome) -> TaskRow:
    volumes = volumes_of(outcome.result)
    return TaskRow(
        stage=outcome.spec.stage,
        index=outcome.spec.index,
        attempts=outcome.attempts,
        endpoint=outcome.endpoint,
        reused=outcome.reused,
        seconds=outcome.seconds,
        bytes_in=volumes.bytes_in,
        bytes_out=volumes.bytes_out,
        records_in=volumes.records_in,
        records_out=volumes.records_out,
        peak_memory_bytes=volumes.peak_memory_bytes,
    )
