"""Carries out a prepared run, from its plan to its report: a job or a chain."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial

from driver.forecast.receipts import Account
from driver.plan import events
from driver.plan.events import EventLog, Observer
from driver.plan.tasks import RunPlan
from driver.plan.upload import Progress
from driver.report.document import Report
from driver.run.backend import Backend
from driver.run.chain import ChainRun, run_chain
from driver.run.interruption import Interruption, again_on
from driver.run.page_record import PageRecord
from driver.run.pipeline import run_job
from driver.run.records import Recording
from driver.run.stages import FleetBackend
from driver.targets.accounting import account_of, remember
from driver.targets.prepare import Prepared
from driver.targets.written_plan import write_plan
from mapreduce.chain import Chain
from mapreduce.errors import MapReduceError, RunStopped


async def carry_out(
    prepared: Prepared, log: EventLog, uploading: Progress, started: float
) -> Report:
    """Start what the run needs, carry it out, and end what was started.

    Args:
        prepared: the run.
        log: receives the events.
        uploading: receives the progress of each input's upload.
        started: when the user's command began, by `time.monotonic`, in seconds.

    Raises:
        MapReduceError: as `run_job` and `run_chain` do.
    """
    began = time.time() - (time.monotonic() - started)
    log(events.Starting(at=began, what="the job and its inputs are checked"))
    log(events.Starting(at=time.time(), what="the services start"))
    account = await asyncio.to_thread(account_of, prepared, began)
    interruption = Interruption(again_on(prepared.target))
    recording = Recording(interruption, account=account)
    page = PageRecord(prepared.runs, log)
    try:
        with interruption.of_signals():
            async with _backend(prepared, log) as backend:
                limited = _within_limit(backend, account)
                log(events.Starting(at=time.time(), what="the plan is written"))
                plan = await _planned(prepared, uploading)
                try:
                    report = await _carried_out(prepared, plan, limited, log, started, recording)
                except (MapReduceError, asyncio.CancelledError) as exc:
                    if not recording.is_taken:
                        page.begin(
                            plan,
                            receipt=recording.receipt(plan, log),
                            failure=getattr(exc, "failure", None),
                        )
                    raise
                page.begin(plan, report, receipt=report.receipt)
                what = "the run could not be added to what forecasts go by"
                await asyncio.to_thread(
                    log.contain, what, remember, prepared, account, report, log.events
                )
                return report
    finally:
        await page.written()


async def _planned(prepared: Prepared, uploading: Progress) -> RunPlan:
    """Write the plan; an end of the run meanwhile ends the upload too, and leaves no plan."""
    ended = threading.Event()

    def going() -> None:
        if ended.is_set():
            after = again_on(prepared.target)
            raise RunStopped(f"ended before the plan was written; {after}")

    try:
        return await asyncio.to_thread(write_plan, prepared, uploading, going)
    except asyncio.CancelledError:
        ended.set()
        raise


def _within_limit(backend: Backend, account: Account) -> Backend:
    """Return the backend, which asks whether the limit of dollars allows one more task."""
    if not isinstance(backend, FleetBackend):
        return backend
    return replace(backend, allowance=partial(account.allowance, wall=backend.clock.wall))


async def _carried_out(
    prepared: Prepared,
    plan: RunPlan,
    backend: Backend,
    log: EventLog,
    started: float,
    recording: Recording,
) -> Report:
    """Carry out a planned run, a job or a chain."""
    fresh = prepared.config.fresh
    if issubclass(prepared.job, Chain):
        chain = ChainRun(prepared.job(**prepared.parameters), plan, prepared.identity_of)
        return await run_chain(
            chain, backend, log, fresh=fresh, started=started, recording=recording
        )
    done = await run_job(plan, backend, log, fresh=fresh, started=started, recording=recording)
    return done.report


def _backend(prepared: Prepared, emit: Observer) -> AbstractAsyncContextManager[Backend]:
    """Return the backend of the run's target. Each is imported only for a run on it.

    Args:
        prepared: the run.
        emit: receives the injected faults.
    """
    match prepared.target:
        case "inline":
            from driver.targets.inline import inline_backend

            return inline_backend(prepared, emit)
        case "local":
            from driver.targets.local import local_backend

            return local_backend(prepared, emit)
        case "aws":
            from driver.targets.aws import aws_backend

            return aws_backend(prepared, emit)
        case "spark":
            from driver.targets.spark import spark_backend

            return spark_backend(prepared, emit)
