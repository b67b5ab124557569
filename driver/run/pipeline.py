"""A run on one page: plan -> split -> map -> reduce -> ledger -> commit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from driver.history.ledger import draw_up
from driver.history.reuse import part_of
from driver.history.run_store import RunResults, RunStore, Success
from driver.plan import events
from driver.plan.events import EventLog
from driver.plan.tasks import RunPlan
from driver.program.command_name import COMMAND
from driver.report.document import Report, make_report
from driver.run.backend import Backend
from driver.run.interruption import completed
from driver.run.records import NOT_LIVE, Recording, recorded, with_notes
from mapreduce.engine import Ledger
from mapreduce.errors import LedgerError
from mapreduce.storage import Requests
from mapreduce.wire import keys
from mapreduce.wire.messages import InputObject, JoinedPart

NO_REQUESTS = Requests()


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished run: its report, and its pairs for the next step of a chain.

    Attributes:
        report: its report.
        pairs: the pairs of its parts, for the map of a step.
        joined: the same, for the reduce of a step that joins them; () without a reduce stage.
    """

    report: Report
    pairs: tuple[InputObject, ...]
    joined: tuple[JoinedPart, ...] = ()


async def run_job(
    plan: RunPlan,
    backend: Backend,
    log: EventLog,
    *,
    fresh: bool,
    started: float,
    counted: Requests = NO_REQUESTS,
    recording: Recording = NOT_LIVE,
) -> Finished:
    """Carry out a planned run.

    Args:
        plan: the plan, with its run id.
        backend: carries out the stages.
        log: receives the events.
        fresh: reuse nothing.
        started: when the user's command began, by the clock's `now`, in seconds.
        counted: the driver's earlier requests, which were not for this run.
        recording: what keeps its records.

    Raises:
        JobFailed: a task used up its attempts.
        LedgerError: the output does not balance with the input.
        FleetError: no service can be reached.
    """
    before = len(log.events)
    async with recorded(plan, backend, log, recording):
        done = await backend.carry_out(plan, log, fresh=fresh, started=started)
        results = done.results
        ledger = await asyncio.to_thread(check_ledger, plan, results, backend.runs)
        success = await completed(asyncio.to_thread(commit, plan, results, backend.runs))
        finished = backend.clock.now()
        log(events.RunDone(at=backend.clock.wall(), run=plan.run, seconds=finished - started))
    report = make_report(
        plan,
        done.split,
        done.maps,
        done.reduces,
        ledger,
        [info.url for info in success.objects],
        done.seconds,
        finished - started,
        log.events[before:],
        backend.runs.requests_at_end(entered=not recording.step) - counted,
    )
    report = await with_notes(report, plan, backend, log, recording)
    return Finished(
        report,
        tuple(part.pairs for part in results.parts if part.pairs),
        tuple(part for each in results.reduces if (part := each.as_joined)),
    )


def check_ledger(plan: RunPlan, results: RunResults, runs: RunStore) -> Ledger:
    """Write the run's results and its ledger; raises `LedgerError` when it does not balance."""
    runs.write(plan.run, "results.json", results)
    ledger = draw_up(plan, results, runs.storage)
    runs.write(plan.run, "ledger.json", ledger)
    if not ledger.balanced:
        wrong = "\n".join(
            f"  {row.what}: {row.expected} {row.unit} expected, {row.found} found"
            for row in ledger.discrepancies
        )
        raise LedgerError(
            f"the ledger of {plan.run} does not balance, so there is no result:\n{wrong}\n"
            f"see: {COMMAND} audit {plan.run}{runs.option}"
        )
    return ledger


def commit(plan: RunPlan, results: RunResults, runs: RunStore) -> Success:
    """Give the winning attempts' objects their final names, and write `_SUCCESS` last.

    Raises:
        OutputLost: a part has changed since it was checked.
    """
    names = [
        keys.result(runs.store, plan.run, number, whole=plan.partitions == 1)
        for number in range(len(results.parts))
    ]
    records = sum(result.records_out for result in results.parts)
    return runs.commit(
        plan.run,
        list(zip(map(part_of, results.parts), names, strict=True)),
        records,
        columns=plan.columns,
        keep_order=plan.keep_order,
    )
