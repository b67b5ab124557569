"""A chain: each step is a run with an id, and the next step reads its pairs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from driver.history.ledger import combined
from driver.history.run_store import RunStore, Success
from driver.plan import events
from driver.plan.events import EventLog
from driver.plan.settings import step_cut, step_partitions
from driver.plan.tasks import RunPlan
from driver.report.document import Report, chain_report
from driver.run.backend import Backend
from driver.run.interruption import completed
from driver.run.pipeline import NO_REQUESTS, Finished, run_job
from driver.run.records import NOT_LIVE, Recording, recorded, with_notes
from mapreduce.chain import Chain, Step, StepResult, step_after, steps_of
from mapreduce.code import CodeIdentity
from mapreduce.errors import InputError, OutputLost
from mapreduce.formats.pairs import PairsReader
from mapreduce.formats.table import frozen_columns
from mapreduce.job import Job
from mapreduce.storage import Storage
from mapreduce.wire import keys
from mapreduce.wire.messages import ByteRange, InputObject, JobSpec, JoinedPart


@dataclass(frozen=True, slots=True)
class ChainRun:
    """A chain that has been planned.

    Attributes:
        chain: the author's instance.
        plan: the chain's plan, with its run id, the user's inputs, and each step's partitions.
        identify: returns the part of the chain's code that a step's tasks depend on.
    """

    chain: Chain
    plan: RunPlan
    identify: Callable[[type[Job]], CodeIdentity] = lambda _: CodeIdentity()


async def run_chain(
    run: ChainRun,
    backend: Backend,
    log: EventLog,
    *,
    fresh: bool,
    started: float,
    recording: Recording = NOT_LIVE,
) -> Report:
    """Carry out a chain, step by step; `recording` keeps the records of the chain.

    Raises as `run_job` does, and `UserCodeError` from the author's `steps`.
    """
    plan = run.plan
    of_step = replace(recording, step=True)
    async with recorded(plan, backend, log, recording):
        reports: list[Report] = []
        joined: list[tuple[JoinedPart, ...]] = [()]  # of each step, by its number from 1 on
        done: Finished | None = None
        storage, steps = backend.runs.storage, steps_of(run.chain)
        # in a thread: the author's code runs in here
        while step := await asyncio.to_thread(step_after, steps, _result(done, storage)):
            counted = storage.requests if reports else NO_REQUESTS
            inputs = _inputs(step, plan.inputs, done)
            step_plan = plan_step(run, step, len(reports) + 1, inputs, joined[step.joined])
            await asyncio.to_thread(backend.runs.write, step_plan.run, "plan.json", step_plan)
            done = await run_job(
                step_plan,
                backend,
                log,
                fresh=fresh,
                started=started,
                counted=counted,
                recording=of_step,
            )
            reports.append(done.report)
            joined.append(done.joined)
        if done is None:
            raise InputError(f"{plan.job.name} has no step; let `steps` yield a job")
        ledger = combined([report.ledger for report in reports])
        success = await completed(asyncio.to_thread(_commit, plan, done.report, backend.runs))
        seconds = backend.clock.now() - started
        log(events.RunDone(at=backend.clock.wall(), run=plan.run, seconds=seconds))
    urls = [url for url, _, _ in success.parts]
    report = chain_report(plan, reports, urls, ledger, backend.runs.requests_at_end())
    return await with_notes(report, plan, backend, log, recording)


def plan_step(
    run: ChainRun,
    step: Step,
    number: int,
    inputs: tuple[InputObject, ...],
    joined: tuple[JoinedPart, ...] = (),
) -> RunPlan:
    """Return the plan of one step, which joins these parts of an earlier step."""
    job = type(step.job)
    job.check()
    total = sum(given.size for given in inputs)
    return run.plan.model_copy(
        update={
            "run": keys.step(run.plan.run, number),
            "job": JobSpec(
                code=run.plan.job.code,
                packages=run.plan.job.packages,
                module=job.__module__,
                file=run.plan.job.file if job.__module__ == run.plan.job.module else "",
                name=job.__name__,
                parameters=step.job.parameter_values(),
            ),
            "inputs": inputs,
            "partitions": len(joined) or step_partitions(step, run.plan.partitions, run.plan.asked),
            "joined": joined,
            "cut": step_cut(step, total, run.plan.cut, run.plan.asked),
            "total_order": job.total_order,
            "columns": frozen_columns(job.columns),
            "keep_order": job.keep_order,
            "keep_pairs": True,
            "chain": False,
            "code": run.identify(job),
        }
    )


def _result(done: Finished | None, storage: Storage) -> StepResult | None:
    """Return what the author's `steps` gets for a finished step; None before the first."""
    if done is None:
        return None
    report = done.report
    pairs = partial(read_pairs_of, done.pairs, storage)
    return StepResult(Counter(report.counters), report.records, pairs)


def read_pairs_of(objects: Sequence[InputObject], storage: Storage) -> Iterator[tuple[Any, Any]]:
    """Yield the pairs that a step has kept, with their exact types."""
    for given in objects:
        piece = ByteRange(
            url=given.url,
            etag=given.etag,
            size=given.size,
            start=0,
            end=given.size,
            source=given.url,
        )
        read = partial(storage.stream, given.url, etag=given.etag)
        yield from (
            record for batch in PairsReader().batches(piece, read) for record in batch.records
        )


def _inputs(
    step: Step, given: tuple[InputObject, ...], done: Finished | None
) -> tuple[InputObject, ...]:
    """Return the objects that a step reads, in the order in which it names them."""
    own = tuple(each.model_copy(update={"format": step.job.format_of(each.name)}) for each in given)
    sources = {"given": own, "previous": done.pairs if done else ()}
    return tuple(each for name in step.sources for each in sources[name])


def _commit(plan: RunPlan, last: Report, runs: RunStore) -> Success:
    """Commit the last step's parts as the chain's, under its name; raises `OutputLost`."""
    step = runs.success(last.run_id)
    if step is None:
        raise OutputLost(
            f"the result of {last.run_id} was deleted before the chain's commit; run again"
        )
    parts = [
        (part, keys.result(runs.store, plan.run, number, whole=part.url.endswith("/result.json")))
        for number, part in enumerate(step.objects)
    ]
    return runs.commit(
        plan.run, parts, last.records, columns=step.columns, keep_order=step.keep_order
    )
