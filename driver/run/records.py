"""The records that every run leaves, however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass

from pydantic import BaseModel

from driver.forecast.receipt import Receipt
from driver.forecast.receipts import Account
from driver.history.failure import failure_of
from driver.history.run_index import RunSummary
from driver.history.run_store import Ended
from driver.plan import events
from driver.plan.events import EventLog
from driver.plan.tasks import RunPlan
from driver.report.document import Report
from driver.run.backend import Backend
from driver.run.interruption import Interruption, again_on
from driver.run.life import Heart, Life
from mapreduce.errors import EndState, LeaseTaken, LimitReached, MapReduceError, RunStopped


@dataclass(frozen=True, slots=True)
class Recording:
    """What keeps the records of a run.

    Attributes:
        interruption: what ends the run from outside. With it, the run shows signs of life while it
            goes; without it, only its end is recorded.
        step: it is a step of a chain, whose records say how it ended, and when it is interrupted.
        account: what makes the run's receipt; a step of a chain has none of its own.
    """

    interruption: Interruption | None = None
    step: bool = False
    account: Account | None = None

    @property
    def is_taken(self) -> bool:
        """Whether another driver has the run, so that this one must write no record of it."""
        return self.interruption is not None and isinstance(self.interruption.why, LeaseTaken)

    def receipt(self, plan: RunPlan, log: EventLog) -> Receipt | None:
        """Return the run's receipt from its events so far."""
        if self.account is None or self.step:
            return None
        return self.account.receipt(plan.run, log.events)


NOT_LIVE = Recording()


async def with_notes(
    report: Report, plan: RunPlan, backend: Backend, log: EventLog, recording: Recording = NOT_LIVE
) -> Report:
    """Write a run's report, with notes of what went wrong beside the run, its receipt, and its
    index entry.

    The result is committed already, so a failed write is only noted.
    """
    receipt = await _keep_receipt(plan, backend, log, recording)
    report = report.model_copy(update={"notes": log.notes, "receipt": receipt})
    what = "the run's report.json could not be written"
    await asyncio.to_thread(
        log.contain, what, backend.runs.write, report.run_id, "report.json", report
    )
    if not recording.step:
        usd = report.requests.dollars or None
        if receipt is not None and receipt.usd is not None:
            usd = receipt.usd
        seconds = report.timings.end_to_end
        await _index(plan, backend, log, "done", seconds, usd)
    return report.model_copy(update={"notes": log.notes})


@asynccontextmanager
async def recorded(
    plan: RunPlan, backend: Backend, log: EventLog, recording: Recording = NOT_LIVE
) -> AsyncIterator[None]:
    """Report that the run begins; write its events and log, and how it ended, after the block.

    These records are for people. A record that cannot be written is noted, and does not change how
    the run ends.
    """
    began, since = backend.clock.wall(), len(log.events) if recording.step else 0
    commit_lost = False
    log(_started(plan, began))
    heart = _heart(plan, backend, log, recording.interruption) if not recording.step else None
    explained = recording.interruption.explained() if recording.interruption else nullcontext()

    def is_taken() -> bool:
        return commit_lost or recording.is_taken or (heart is not None and heart.life.taken)

    async def keep_end(exc: MapReduceError) -> None:
        nonlocal commit_lost
        commit_lost = isinstance(exc, LeaseTaken)  # a commit finds it before the heart beats
        if is_taken() or (recording.step and exc.ends != "failed"):
            return
        seconds, state = backend.clock.wall() - began, exc.ends
        if state != "failed" and await asyncio.to_thread(_is_committed, plan, backend, log):
            state = "done"  # it was interrupted when the result was there already
        else:
            await _keep_end(exc, plan, backend, log)
        if not recording.step:
            receipt = await _keep_receipt(plan, backend, log, recording)
            usd = receipt.usd if receipt else None
            await _index(plan, backend, log, state, seconds, usd)

    try:
        with explained:
            yield
    except MapReduceError as exc:
        await keep_end(exc)
        raise
    except asyncio.CancelledError:
        await keep_end(RunStopped(f"ended by Ctrl-C; {again_on(plan.target)}"))
        raise
    finally:
        beating = heart is not None and await heart.close()
        if not is_taken():
            kept = await _keep(plan, backend, log, "events.jsonl", lambda: log.json_lines(since))
            await _keep(plan, backend, log, "services.log", backend.log_text)
            if heart and kept and not beating:
                what = "the run's segments of events could not be deleted"
                await asyncio.to_thread(log.contain, what, heart.life.end)


def _is_committed(plan: RunPlan, backend: Backend, log: EventLog) -> bool:
    try:
        return backend.runs.success(plan.run) is not None
    except MapReduceError as exc:
        log.note("the run's _SUCCESS could not be looked for", exc)
        return False


def _started(plan: RunPlan, at: float) -> events.RunStarted:
    return events.RunStarted(
        at=at,
        run=plan.run,
        job=plan.job.name,
        target=plan.target,
        inputs=len(plan.inputs),
        size_bytes=sum(given.size for given in plan.inputs),
    )


def _heart(
    plan: RunPlan, backend: Backend, log: EventLog, interruption: Interruption | None
) -> Heart | None:
    """Return the run's signs of life, which have begun; None for a run that shows none."""
    if interruption is None:
        return None
    loop = asyncio.get_running_loop()

    def emit(event: events.Event) -> None:
        loop.call_soon_threadsafe(log, event)

    again = again_on(plan.target)
    life = Life(backend.runs, plan.run, log, backend.clock, interruption.stop, emit, again)
    heart = Heart(life)
    heart.start()
    return heart


async def _keep_end(exc: MapReduceError, plan: RunPlan, backend: Backend, log: EventLog) -> None:
    """Report how a run has ended without a result, and record it."""
    at, why = backend.clock.wall(), str(exc)
    if isinstance(exc, LimitReached):
        spent, limit = exc.spent_usd, exc.limit_usd
        log(events.RunPaused(at=at, run=plan.run, spent_usd=spent, limit_usd=limit))
    elif exc.ends == "interrupted":
        log(events.RunInterrupted(at=at, run=plan.run, why=why))
    if exc.ends != "failed":
        ended = Ended(state=exc.ends, at=at, why=why)
        await _keep(plan, backend, log, "ended.json", lambda: ended)
        return
    failure = exc.failure or await asyncio.to_thread(failure_of, exc, plan, backend.runs.storage)
    exc.failure = failure
    log(events.RunFailed(at=at, run=plan.run, kind=failure.kind, message=failure.message))
    await _keep(plan, backend, log, "failure.json", lambda: failure)


async def _keep_receipt(
    plan: RunPlan, backend: Backend, log: EventLog, recording: Recording
) -> Receipt | None:
    """Write the receipt of a run that is over, and return it; None for a run without one."""
    found: list[Receipt] = []

    def make() -> BaseModel | bytes:
        receipt = recording.receipt(plan, log)
        found.extend([receipt] if receipt else [])
        return receipt or b""

    await _keep(plan, backend, log, "receipt.json", make)
    return found[0] if found else None


async def _keep(
    plan: RunPlan,
    backend: Backend,
    log: EventLog,
    name: str,
    content: Callable[[], BaseModel | bytes],
) -> bool:
    """Write a record, unless it is empty; return whether it could be written."""
    written = False

    def write() -> None:
        nonlocal written
        if made := content():
            backend.runs.write(plan.run, name, made)
        written = True

    await asyncio.to_thread(log.contain, f"the run's {name} could not be written", write)
    return written


async def _index(
    plan: RunPlan,
    backend: Backend,
    log: EventLog,
    state: EndState,
    seconds: float,
    usd: float | None,
) -> None:
    """Enter a run that is over into the index, for `runs`."""
    summary = RunSummary(
        state=state,
        created=plan.created,
        seconds=seconds,
        usd=usd,
        inputs=len(plan.inputs),
        size_bytes=sum(given.size for given in plan.inputs),
        target=plan.target,
        job=plan.job.name,
    )
    what = "the run could not be entered into the index"
    await asyncio.to_thread(log.contain, what, backend.runs.enter, plan.run, summary)
