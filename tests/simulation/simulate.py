"""One seed: a run of the real pipeline and scheduler in a random world, and the laws it keeps."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from driver.history.run_store import RunStore
from driver.plan.clock import Clock
from driver.plan.events import AttemptDone, EventLog, OutputsRedone
from driver.plan.tasks import RunPlan
from driver.run.pipeline import run_job
from driver.run.stages import FleetBackend
from driver.scheduling.policy import RetryPolicy
from mapreduce.errors import MapReduceError
from mapreduce.wire import keys
from mapreduce.wire.messages import InputObject, JobSpec, SplitRule
from tests.simulation.small_engine import right_part
from tests.simulation.virtual_time import Stuck, VirtualLoop, run_virtually
from tests.simulation.weather import Weather, drawn
from tests.simulation.world import World

STORE = "file:///store"
BOUND_S = 3 * 3600.0
"""After the last fault a run ends within this time: the longest wait of the policy is an hour."""
TURNS_AT_ONCE = 20_000
TURNS_PER_SECOND = 100
"""The most iterations of the event loop a second for each running task: a driver that waits makes
only a few.
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a seed.

    Attributes:
        seed: the seed.
        weather: the weather of the seed.
        end: "answer", or the class of the error.
        words: the error's message.
        virtual_s: the run's duration.
        broken: the laws that it broke.
        struck: how often each fault occurred.
    """

    seed: int
    weather: Weather
    end: str
    words: str
    virtual_s: float
    broken: tuple[str, ...]
    struck: dict[str, int]


def simulate(seed: int) -> Verdict:
    """Run one seed."""
    weather = drawn(seed)
    random.seed(seed)  # the scheduler's jitter
    loop = VirtualLoop(weather.until_s + BOUND_S)
    world = World(weather, seed, loop)
    log = EventLog()
    end, words, done = "answer", "", False
    try:
        run_virtually(loop, _run(world, loop, log))
        done = True
    except Stuck as exc:
        end, words = "Stuck", str(exc)
        world.broken.append(f"the run hangs: {exc}")
    except MapReduceError as exc:
        end, words = type(exc).__name__, str(exc)
        if weather.mood != "stormy":
            world.broken.append(
                f"a harmless fault ended the run: {type(exc).__name__}: {words[:200]}"
            )
    except Exception as exc:  # noqa: BLE001 - every other error breaks a law
        end, words = type(exc).__name__, str(exc)
        world.broken.append(f"an error that is none of ours: {type(exc).__name__}: {words[:200]}")
    if done:
        world.broken += _wrong_answer(world)
    world.broken += _left_over(world, log)
    if loop.turns > TURNS_AT_ONCE + TURNS_PER_SECOND * loop.time() + 30 * world.struck["flood"]:
        world.broken.append(
            f"the loop went round {loop.turns} times in {loop.time():.0f} s: the driver spins"
        )
    return Verdict(seed, weather, end, words, loop.time(), tuple(world.broken), dict(world.struck))


async def _run(world: World, loop: VirtualLoop, log: EventLog) -> None:
    happening = asyncio.create_task(world.happen())
    plan, place = prepared(world, loop, "run-1")
    try:
        await run_job(plan, place, log, fresh=False, started=loop.time())
    finally:
        happening.cancel()


def prepared(world: World, loop: VirtualLoop, run: str) -> tuple[RunPlan, FleetBackend]:
    """Return the plan of a run over the world's one input, and what carries it out."""
    weather = world.weather
    url = "file:///in/a"
    content = b"x" * (weather.maps * 10)
    info = world.storage.head(url) if world.storage.urls(url) else world.storage.put(url, content)
    plan = RunPlan(
        run=run,
        created=0.0,
        target="aws",
        store=STORE,
        job=JobSpec(code="0" * 64, module="jobs.none", name="None"),
        inputs=(InputObject(url=url, size=info.size, etag=info.etag),),
        cut=SplitRule(splits=weather.maps),
        partitions=weather.partitions,
        mode="range",
        top=0,
    )
    clock = Clock(now=loop.time, wall=world.wall)
    return plan, FleetBackend(RunStore(world.storage, STORE), world, world, RetryPolicy(), clock)


def _wrong_answer(world: World) -> Iterator[str]:
    """Yield the errors of a committed result."""
    weather = world.weather
    if not world.storage.urls(keys.success(STORE, "run-1")):
        yield "a run ended well without _SUCCESS"
    for number in range(weather.partitions):
        url = keys.result(STORE, "run-1", number, whole=weather.partitions == 1)
        found = world.storage.content(url) if world.storage.urls(url) else b""
        if found != right_part(number, weather.maps):
            yield f"part {number} is {found!r}"


def _left_over(world: World, log: EventLog) -> Iterator[str]:
    """Yield the remains of an ended run, and tasks with more than one outcome."""
    for what, counted in (("asked", world.asking), ("running", world.running)):
        yield from (f"{name} is still {what}: {count}" for name, count in counted.items() if count)
    redone = Counter(
        name for event in log.events if isinstance(event, OutputsRedone) for name in event.tasks
    )
    outcomes = Counter(event.task for event in log.events if isinstance(event, AttemptDone))
    yield from (
        f"{task} had {count} outcomes, and was redone {redone[task]} times"
        for task, count in outcomes.items()
        if count > 1 + redone[task]
    )
