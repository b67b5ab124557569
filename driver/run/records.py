"""The records that every run leaves, also when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from driver.history.failure import Failure, failure_of
from driver.plan import events
from driver.plan.events import EventLog
from driver.plan.tasks import RunPlan
from driver.report.document import Report
from driver.run.backend import Backend
from mapreduce.errors import LimitReached, MapReduceError


async def with_notes(report: Report, backend: Backend, log: EventLog) -> Report:
    """Write a run's report, with notes of what went wrong beside the run.

    The result is committed already, so a failed write is only noted.
    """
    report = report.model_copy(update={"notes": log.notes})
    what = "the run's report.json could not be written"
    await asyncio.to_thread(
        log.contain, what, backend.runs.write, report.run_id, "report.json", report
    )
    return report.model_copy(update={"notes": log.notes})


@asynccontextmanager
async def recorded(plan: RunPlan, backend: Backend, log: EventLog) -> AsyncIterator[None]:
    """Write the run's events and log, and of a failure its cause, when the block ends.

    These records are for people. A record that cannot be written is noted, and does not change how
    the run ends.
    """

    def write(name: str, content: Callable[[], Failure | bytes]) -> None:
        if made := content():
            backend.runs.write(plan.run, name, made)

    async def keep(name: str, content: Callable[[], Failure | bytes]) -> None:
        what = f"the run's {name} could not be written"
        await asyncio.to_thread(log.contain, what, write, name, content)

    try:
        yield
    except LimitReached as exc:
        spent, limit = exc.spent_usd, exc.limit_usd
        at = backend.clock.wall()
        log(events.RunPaused(at=at, run=plan.run, spent_usd=spent, limit_usd=limit))
        raise
    except MapReduceError as exc:
        failure = exc.failure or await asyncio.to_thread(
            failure_of, exc, plan, backend.runs.storage
        )
        exc.failure = failure
        log(
            events.RunFailed(
                at=backend.clock.wall(), run=plan.run, kind=failure.kind, message=failure.message
            )
        )
        await keep("failure.json", lambda: failure)
        raise
    finally:
        await keep("events.jsonl", log.json_lines)
        await keep("services.log", backend.log_text)
