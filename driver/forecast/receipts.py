"""From a run's events to its receipt: what it took and used, beside its forecast. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from driver.forecast.document import Forecast
from driver.forecast.fleet_price import PricedFleet
from driver.forecast.limit import SpendingLimit
from driver.forecast.meter import Meter
from driver.forecast.model import NOT_PRICED, UNITS
from driver.forecast.past import JobHistory
from driver.forecast.pricing import requests_price
from driver.forecast.receipt import Receipt, ReceiptLine, Unit
from driver.plan import events
from driver.plan.events import Event, EventLog
from driver.transport.endpoint import Role
from mapreduce.storage import Requests
from mapreduce.wire.messages import StageName

RECEIPT_UNITS: dict[str, Unit] = UNITS | {
    "usd_before": "usd",
    "spot_saved": "usd",
    "done_twice": "s",
}
"""The lines of a receipt: those of a forecast, what earlier drivers of the run have spent, what
Spot has saved, and the seconds of attempts that failed or were slower than their backup."""
_COUNTED: tuple[StageName, ...] = ("map", "reduce")
_ENDS = (events.RunDone, events.RunFailed, events.RunPaused, events.RunInterrupted)


@dataclass(frozen=True, slots=True)
class Account:
    """What a run may spend, what was forecast, and how its receipt comes about.

    Attributes:
        began: when the user's command began, in seconds since the epoch.
        fleet: the sizes and prices of the tasks; None on this machine.
        counts: the tasks that each service has, for the price of the stack by itself.
        forecast: None without one.
        history: the earlier runs of the job.
        limit_usd: `--max-usd`.
        requests: returns the driver's requests to S3 so far.
        before_usd: what earlier drivers of the run have spent, by their events.
    """

    began: float
    fleet: PricedFleet | None = None
    counts: dict[Role, int] = field(default_factory=dict)
    forecast: Forecast | None = None
    history: JobHistory = field(default_factory=JobHistory)
    limit_usd: float | None = None
    requests: Callable[[], Requests] = Requests
    before_usd: float = 0.0

    def allowance(self, log: EventLog, wall: Callable[[], float]) -> SpendingLimit | None:
        """Return what the run with these events may still spend; None without a limit."""
        if self.limit_usd is None or self.fleet is None:
            return None
        found = {stage: self.forecast and self.forecast.line(f"{stage}_task") for stage in _COUNTED}
        return SpendingLimit(
            self.limit_usd,
            Meter(self.fleet),
            log.events,
            wall,
            self.requests,
            {stage: task.high for stage, task in found.items() if task},
            self.before_usd,
        )

    def receipt(self, run: str, happened: Sequence[Event]) -> Receipt:
        """Return the receipt of a run from its events so far."""
        ended = max((event.at for event in happened if isinstance(event, _ENDS)), default=None)
        if ended is None:
            ended = happened[-1].at if happened else self.began
        actual = actual_values(happened, self.began, ended)
        usd: float | None = None
        meter = Meter(self.fleet or PricedFleet(sizes={}, usual={}))
        meter.take(happened)
        made = meter.requests + self.requests()
        if made.get or made.put:
            actual["requests"] = float(made.get + made.head + made.put + made.copy + made.list)
        if self.fleet is not None:
            used = meter.used(ended)
            own_usd = used.usd + requests_price(made)
            usd = self.before_usd + own_usd
            actual |= {
                "vcpu_s": used.vcpu_s,
                "gib_s": used.gib_s,
                "usd_tasks": used.usd,
                "usd_requests": requests_price(made),
                "usd": own_usd,
                "spot_saved": used.spot_saved_usd,
            }
            if self.before_usd:
                actual["usd_before"] = self.before_usd
        held, forecasts = self.history.held
        return Receipt(
            run=run,
            lines=receipt_lines(actual, self._expected(happened)),
            usd=usd,
            standing_usd_hour=self.fleet.hour_usd(self.counts) if self.fleet else None,
            not_priced=NOT_PRICED if self.fleet else (),
            held_before=held,
            forecasts_before=forecasts,
        )

    def _expected(self, happened: Sequence[Event]) -> Forecast | None:
        """Return the forecast; one from earlier runs is of a run that reuses nothing."""
        reused = any(event.reused for event in happened if isinstance(event, events.StageStarted))
        if self.forecast is None or (reused and self.forecast.reuse is None):
            return None
        return self.forecast


def spent_usd(fleet: PricedFleet, happened: Sequence[Event], until: float) -> float:
    """Return what a driver that was lost has spent, by its events.

    Its own requests are known to no event, and do not count.

    Args:
        fleet: the sizes and prices of the tasks.
        happened: the driver's events.
        until: when the next driver began; a driver that sleeps may have later events.
    """
    counted = [event for event in happened if event.at <= until]
    meter = Meter(fleet)
    meter.take(counted)
    used = meter.used(max((event.at for event in counted), default=0.0)).usd
    return used + requests_price(meter.requests)


def receipt_lines(actual: dict[str, float], forecast: Forecast | None) -> tuple[ReceiptLine, ...]:
    """Return each quantity that was forecast or came, in the order of `RECEIPT_UNITS`."""
    expected = {line.name: line.expected for line in forecast.lines} if forecast else {}
    return tuple(
        ReceiptLine(name=name, unit=unit, expected=expected.get(name), actual=actual.get(name))
        for name, unit in RECEIPT_UNITS.items()
        if name in expected or name in actual
    )


def actual_values(happened: Sequence[Event], began: float, ended: float) -> dict[str, float]:
    """Return what a run took, by the names of the receipt's lines; without its price.

    Args:
        happened: its events.
        began: when the user's command began, in seconds since the epoch.
        ended: when the run ended.
    """
    found: dict[str, float] = {"end_to_end": max(0.0, ended - began)}
    first = next((each.at for each in happened if isinstance(each, events.AttemptStarted)), None)
    if first is not None:
        found["start"] = max(0.0, first - began)
    for event in happened:
        if isinstance(event, events.StageDone):
            found[event.stage] = found.get(event.stage, 0.0) + event.seconds
    if first is not None and any(isinstance(event, events.RunDone) for event in happened):
        parts = sum(found.get(name, 0.0) for name in ("start", "split", "map", "reduce"))
        found["commit"] = max(0.0, found["end_to_end"] - parts)
    done = [event for event in happened if isinstance(event, events.AttemptDone)]
    for stage in _COUNTED:
        of_stage = [event for event in done if event.task.startswith(f"{stage}-")]
        found[f"{stage}_tasks"] = float(_tasks_done(happened, stage))
        if of_stage:
            found[f"{stage}_task"] = statistics.median(event.seconds for event in of_stage)
            memory = max(event.volumes.peak_memory_bytes for event in of_stage)
            found[f"{stage}_memory"] = float(memory)
    found["done_twice"] = sum(
        event.seconds
        for event in happened
        if isinstance(event, events.AttemptFailed | events.AttemptCancelled)
    )
    return found


def _tasks_done(happened: Sequence[Event], stage: StageName) -> int:
    """Return how many tasks of a stage were done; each step of a chain has tasks of its own."""
    step, found = 0, set[tuple[int, str]]()
    for event in happened:
        if isinstance(event, events.RunStarted):
            step += 1
        elif isinstance(event, events.AttemptDone) and event.task.startswith(f"{stage}-"):
            found.add((step, event.task))
    return len(found)
