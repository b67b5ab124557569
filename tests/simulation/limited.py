"""One seed with a limit of dollars: a run that may pause, and the run that goes on after it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from driver.forecast.fleet_price import PricedFleet, TaskSize
from driver.forecast.limit import SpendingLimit
from driver.forecast.meter import Meter
from driver.plan import events
from driver.plan.events import EventLog
from driver.run.pipeline import run_job
from driver.scheduling.fleet_watch import LOOK_S
from mapreduce.errors import LimitReached
from mapreduce.wire import keys
from tests.simulation.simulate import BOUND_S, STORE, prepared
from tests.simulation.small_engine import right_part
from tests.simulation.virtual_time import VirtualLoop, run_virtually
from tests.simulation.weather import HARMLESS, Weather, drawn
from tests.simulation.world import World

FLEET = PricedFleet(
    sizes={
        "splitter": TaskSize(cpu=256, memory=512),
        "mapper": TaskSize(cpu=1024, memory=2048),
        "reducer": TaskSize(cpu=1024, memory=2048),
    },
    usual={"splitter": 1, "mapper": 3, "reducer": 1},
)
CALM_ENOUGH = ("look-fails", "late-503", "refused", "slow", "flap")
"""Faults that end no run and take no time from it in which nothing runs."""


@dataclass(frozen=True, slots=True)
class Limited:
    """The outcome of a seed: whether the first run paused, and the laws that were broken."""

    paused: bool
    broken: tuple[str, ...]


def simulate_limited(seed: int) -> Limited:
    """Run one seed with a limit, and then without one on the same store."""
    weather = _weather(seed)
    random.seed(seed)
    loop = VirtualLoop(weather.until_s + BOUND_S)
    world = World(weather, seed, loop)
    limit_usd = FLEET.hour_usd(FLEET.usual) / 3600 * random.Random(f"limit {seed}").uniform(0, 60)
    first, second = EventLog(), EventLog()
    paused = run_virtually(loop, _both(world, loop, (first, second), limit_usd))
    broken = [*world.broken, *_laws(first, limit_usd)]
    done_before = {each.task for each in first.events if isinstance(each, events.AttemptDone)}
    again = {each.task for each in second.events if isinstance(each, events.AttemptDone)}
    if both := {name for name in done_before & again if name.startswith("map-")}:
        broken.append(f"done again: {sorted(both)}")
    broken += _wrong_answer(world, "run-2" if paused else "run-1")
    return Limited(paused, tuple(broken))


async def _both(
    world: World, loop: VirtualLoop, logs: tuple[EventLog, EventLog], limit_usd: float
) -> bool:
    happening = asyncio.create_task(world.happen())
    try:
        plan, place = prepared(world, loop, "run-1")
        limited = replace(place, allowance=_allowance(world, limit_usd))
        try:
            await run_job(plan, limited, logs[0], fresh=False, started=loop.time())
        except LimitReached:
            plan, place = prepared(world, loop, "run-2")
            await run_job(plan, place, logs[1], fresh=False, started=loop.time())
            return True
        return False
    finally:
        happening.cancel()


def _allowance(world: World, limit_usd: float) -> Callable[[EventLog], SpendingLimit]:
    return lambda log: SpendingLimit(limit_usd, Meter(FLEET), log.events, world.wall)


def _laws(log: EventLog, limit_usd: float) -> Iterator[str]:
    """Yield the laws that a run with a limit has broken.

    No attempt starts once the limit is spent, and a run that pauses does so when its last attempt
    has ended: so it spends no more above the limit than its running tasks do.
    """
    meter = Meter(FLEET)
    ended = 0.0
    for event in log.events:
        meter.take([event])
        spent = meter.used(event.at).usd
        if isinstance(event, events.AttemptStarted) and spent > limit_usd * (1 + 1e-9):
            yield f"{event.task} starts with ${spent:.6f} of ${limit_usd:.6f} spent"
        if isinstance(event, events.AttemptDone | events.AttemptFailed | events.AttemptCancelled):
            ended = event.at
        if isinstance(event, events.RunPaused):
            waited = event.at - ended
            if ended and waited > LOOK_S and spent > limit_usd:
                yield f"the run pauses {waited:.0f} s after its last attempt"


def _wrong_answer(world: World, run: str) -> Iterator[str]:
    for number in range(world.weather.partitions):
        url = keys.result(STORE, run, number, whole=world.weather.partitions == 1)
        found = world.storage.content(url) if world.storage.urls(url) else b""
        if found != right_part(number, world.weather.maps):
            yield f"part {number} of {run} is {found!r}"


def _weather(seed: int) -> Weather:
    """Return the weather of a seed with faults that may not end a run."""
    chance = random.Random(f"limited {seed}")
    rates = {name: chance.choice(HARMLESS[name]) for name in CALM_ENOUGH}
    return replace(drawn(seed), mood="harmless", rates=rates)
