"""A prepared run, from its plan to its report: a job, or a chain of them."""

from __future__ import annotations

import asyncio

from driver.plan.events import EventLog
from driver.plan.upload import Progress
from driver.report.document import Report
from driver.run.chain import ChainRun, run_chain
from driver.run.pipeline import run_job
from driver.targets import prepare as targets
from driver.targets.prepare import Prepared
from mapreduce.chain import Chain


async def carry_out(prepared: Prepared, log: EventLog, uploading: Progress, started: float) -> Report:
    """Starts what the run needs, does it, and ends what it has started.

    Args:
        prepared: the run.
        log: is told what happens.
        uploading: is told how far the upload of an input is.
        started: when the user's command began, by `time.monotonic`.

    Raises:
        MapReduceError: as `run_job` and `run_chain` do.
    """
    fresh = prepared.config.fresh
    async with targets.workplace(prepared, log) as place:
        plan = await asyncio.to_thread(targets.write_plan, prepared, uploading)
        if issubclass(prepared.job, Chain):
            run = ChainRun(prepared.job(**prepared.parameters), plan, prepared.identity_of)
            return await run_chain(run, place, log, fresh=fresh, started=started)
        return (await run_job(plan, place, log, fresh=fresh, started=started)).report
