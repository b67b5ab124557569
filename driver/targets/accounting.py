"""Where a run is carried out, in numbers: its slots, memory, fleet and prices; and its account."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from driver.cloud.fleet import capacity
from driver.cloud.stack import Stack
from driver.forecast.document import Forecast
from driver.forecast.fleet_price import PricedFleet, TaskSize
from driver.forecast.model import Place, Work, forecast_lines, raw_values, requests_of
from driver.forecast.past import JobHistory, past_run, spreads
from driver.forecast.receipts import Account, spent_usd
from driver.history.forecasts import add_run, history_url, read_history
from driver.history.run_events import events_of
from driver.history.run_names import epoch_of
from driver.plan.events import Event, FleetScaled
from driver.report.document import Report
from driver.targets.prepare import Prepared
from driver.transport.endpoint import Role
from mapreduce.engine.split import plan_splits
from mapreduce.errors import MapReduceError
from mapreduce.job import Job
from mapreduce.wire import keys

if TYPE_CHECKING:
    from driver.cloud.fleet.capacity import Counts

MIB = 1 << 20
INLINE_MEMORY_BYTES = 1 << 30
SERVICE_SHARE = 0.8
"""The share of a service's memory that its tasks have (`services.stage.settings`)."""
MOST_INPUTS = 10_000
"""A run over more inputs is not forecast unless it is planned: it must begin at once."""


def place_of(prepared: Prepared, now: Counts | None = None) -> Place:
    """Return where a run is carried out.

    Args:
        prepared: the run.
        now: in AWS, how many tasks each service has now; None for those of the stack's variables.
    """
    config, stack = prepared.config, prepared.stack
    if stack is not None:
        return place_in(stack, prepared, now)
    slots = prepared.map_slots
    reduce_slots, memory = slots, None
    if prepared.target == "inline":
        slots = reduce_slots = 1
        memory = config.task_memory_bytes or INLINE_MEMORY_BYTES
    elif prepared.target == "local":
        reduce_slots = min(os.cpu_count() or 1, config.reducers or 1)
        memory = config.task_memory_bytes or int(_machine_bytes() // 2 * SERVICE_SHARE)
    return Place(
        target=prepared.target,
        map_slots=slots,
        reduce_slots=reduce_slots,
        map_memory_bytes=memory,
        reduce_memory_bytes=memory,
        uses_s3=prepared.runs.store.startswith("s3://"),
    )


def place_in(stack: Stack, prepared: Prepared, now: Counts | None = None) -> Place:
    """Return where a run is carried out on a stack, and what its tasks cost."""
    mapper, reducer = stack.services["mapper"], stack.services["reducer"]
    usual: Counts = {role: each.desired_count for role, each in stack.services.items()}
    mappers = prepared.config.mappers
    before = usual if now is None else now
    counts = dict(capacity.wanted(before, usual, mappers, prepared.map_tasks, mapper.slots))
    used = min(counts["mapper"], mappers or counts["mapper"])
    return Place(
        target="aws",
        map_slots=used * mapper.slots,
        reduce_slots=counts["reducer"] * reducer.slots,
        map_memory_bytes=int(mapper.memory * MIB * SERVICE_SHARE / mapper.slots),
        reduce_memory_bytes=int(reducer.memory * MIB * SERVICE_SHARE / reducer.slots),
        fleet=priced(stack),
        counts=counts,
        started={role: max(0, count - before[role]) for role, count in counts.items()},
        uses_s3=True,
    )


def priced(stack: Stack) -> PricedFleet:
    """Return the sizes and prices of a stack's tasks."""
    usual: dict[Role, int] = {role: each.desired_count for role, each in stack.services.items()}
    return PricedFleet(
        sizes={
            role: TaskSize(cpu=each.cpu, memory=each.memory)
            for role, each in stack.services.items()
        },
        usual=usual,
        architecture=stack.architecture,
        spot_share=stack.spot_share,
        is_public=stack.assign_public_ip,
        guarded=stack.guard is not None,
    )


def account_of(prepared: Prepared, began: float) -> Account:
    """Return what a run may spend, and its forecast: that of its plan, or from earlier runs.

    A forecast must not hold up the run, nor end it: without one, the receipt has no ranges.
    """
    runs, place = prepared.runs, place_of(prepared)
    try:
        url = history_url(runs.store, prepared.source, prepared.target)
        history = read_history(runs.storage, url)
        forecast = prepared.forecast or from_earlier_runs(prepared, place, history)
    except MapReduceError:
        history, forecast = JobHistory(), prepared.forecast
    return Account(
        before_usd=spent_before(prepared, place.fleet, began),
        began=began,
        fleet=place.fleet,
        counts=place.counts,
        forecast=forecast,
        history=history,
        limit_usd=prepared.config.max_usd,
        requests=runs.requests_at_end,
    )


def spent_before(prepared: Prepared, fleet: PricedFleet | None, now: float) -> float:
    """Return what the drivers have spent that were lost before this one goes on, in dollars.

    Raises:
        StorageError: their events cannot be read, and the run has a limit.
    """
    if fleet is None or prepared.planned is None or not prepared.goes_on:
        return 0.0
    runs, (first, newest) = prepared.runs, epoch_of(prepared.planned.run)
    spent, until = 0.0, now
    try:
        for number in range(newest, 0, -1):
            name = keys.epoch(first, number)
            if runs.has(name, "plan.json"):  # else a driver took the epoch, and was lost at once
                spent += spent_usd(fleet, events_of(runs, name), until)
                until = runs.plan(name).created
    except MapReduceError:
        if prepared.config.max_usd is not None:
            raise
    return spent


def from_earlier_runs(prepared: Prepared, place: Place, history: JobHistory) -> Forecast | None:
    """Return the forecast of a run that reuses nothing, from what the last run's tasks took."""
    figures = history.newest_figures(prepared.code_name)
    if figures is None or not issubclass(prepared.job, Job) or len(prepared.inputs) > MOST_INPUTS:
        return None
    splits = plan_splits(prepared.inputs, prepared.cut)
    sizes = tuple(split.length for split in splits)
    work = Work(
        inputs=len(prepared.inputs),
        new_maps=sizes,
        all_maps=sizes,
        partitions=prepared.partitions,
        total_order=prepared.config.sort or prepared.job.total_order,
    )
    raw = raw_values(work, figures, place)
    earlier = history.forecasts("earlier runs", cold=place.is_cold)
    total = sum(given.size for given in prepared.inputs)
    held, forecasts = history.held
    return Forecast(
        job=prepared.source.name,
        target=prepared.target,
        place="",
        inputs=len(prepared.inputs),
        size_bytes=total,
        cut=prepared.cut_reason(total),
        partitions=prepared.partitions,
        basis="earlier runs",
        lines=forecast_lines(
            raw, spreads(earlier, raw), place, requests_of(work, figures, raw["end_to_end"])
        ),
        raw=raw,
        earlier_runs=len(earlier),
        held_before=held,
        forecasts_before=forecasts,
    )


def remember(
    prepared: Prepared, account: Account, report: Report, happened: Sequence[Event]
) -> None:
    """Keep what a finished run took for later forecasts; not one with injected faults."""
    receipt, config = report.receipt, prepared.config
    if receipt is None or not config.remembered or config.chaos is not None:
        return
    reused = report.reused_tasks and (account.forecast is None or account.forecast.reuse is None)
    run = past_run(
        receipt,
        None if reused else account.forecast,
        happened,
        account.began,
        sum(given.size for given in prepared.inputs),
        prepared.code_name,
        cold=any(isinstance(event, FleetScaled) for event in happened),
    )
    runs = prepared.runs
    add_run(runs.storage, history_url(runs.store, prepared.source, prepared.target), run)


def _machine_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
