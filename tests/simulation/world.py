"""The services, the network and the clock of a simulated run, with the faults of its weather."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

from driver.plan.tasks import AnyTask
from driver.transport.base import Heard, NoSlot, NotReached, unheard
from driver.transport.endpoint import Endpoint
from mapreduce.engine.run import task_error
from mapreduce.errors import FleetError, MapReduceError, TaskLost
from mapreduce.wire.messages import (
    AnyEvent,
    AttemptId,
    Done,
    Failed,
    Progress,
    StageName,
    Started,
    TaskError,
)
from tests.simulation.memory_store import MemoryStorage
from tests.simulation.small_engine import carry_out
from tests.simulation.virtual_time import VirtualLoop
from tests.simulation.weather import Weather

EPOCH_S = 1.8e9
FOREVER_S = 1e7
ODD_WAITS = (0.0, -5.0, 1e9, float("inf"), float("nan"))
ODD_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    UnicodeError,
    KeyError,
    RuntimeError,
    AssertionError,
    EOFError,
)
WORK_S = 3.0


class World:
    """A fleet, and the transport to it.

    Args:
        weather: the faults.
        seed: the seed of the chances.
        loop: the clock.

    Attributes:
        broken: the broken laws, in words.
    """

    refresh_s = 5.0

    def __init__(self, weather: Weather, seed: int, loop: VirtualLoop) -> None:
        self.weather = weather
        self._chance = random.Random(f"world {seed}")
        self._loop = loop
        self.storage = MemoryStorage(self._strike, vouching=weather.vouching)
        self.broken: list[str] = []
        self.struck: Counter[str] = Counter()
        self.asking: Counter[str] = Counter()
        self.running: Counter[str] = Counter()
        self._names: set[tuple[str, int, str]] = set()
        self._slept_s = 0.0
        self._all: dict[StageName, list[Endpoint]] = {}
        self._here: dict[StageName, list[Endpoint]] = {}
        stages: tuple[StageName, ...] = ("split", "map", "reduce")
        for stage in stages:
            count = weather.endpoints if stage == "map" else max(1, weather.endpoints // 2)
            self._all[stage] = [
                Endpoint(f"{stage}-{at}", f"http://{stage}-{at}", weather.slots)
                for at in range(count)
            ]
            self._here[stage] = list(self._all[stage])
        self._refusing = self._drawn_refusing()
        self._cut_until: defaultdict[str, float] = defaultdict(lambda: -1.0)

    def wall(self) -> float:
        """Return the time of day, which advances while the machine sleeps."""
        return EPOCH_S + self._loop.time() + self._slept_s

    # -- the fleet ---------------------------------------------------------------------------------

    async def endpoints(self, stage: StageName) -> list[Endpoint]:
        """Return the visible endpoints, or fail."""
        await asyncio.sleep(self._chance.random() * 0.3)
        if self._strikes("look-hangs"):
            await asyncio.sleep(FOREVER_S)
        if self._strikes("look-fails"):
            raise self._chance.choice(
                (FleetError("throttled"), OSError("no network"), ValueError("odd answer"))
            )
        here = self._here[stage]
        for endpoint in self._all[stage]:
            if self._strikes("flap"):
                # a fleet with only refusing endpoints would be refused, and rightly
                if endpoint in here and len(here) > 1 and not self._refusing:
                    here.remove(endpoint)
                elif endpoint not in here:
                    here.append(endpoint)
        if self._loop.time() >= self.weather.until_s:
            here[:] = self._all[stage]
        return list(here)

    async def why_gone(self, stage: StageName, names: Sequence[str]) -> dict[str, str]:
        """Return the reasons, or fail."""
        if self._strikes("why-gone-fails"):
            raise FleetError("not to be found out")
        return dict.fromkeys(names, "scaled in")

    async def why_unreached(self, stage: StageName, names: Sequence[str]) -> str:
        """Return no cause, late, or fail: the services can always be reached in the end."""
        await asyncio.sleep(self._chance.random() * 20)
        if self._strikes("why-unreached-fails"):
            raise self._chance.choice((FleetError("not to be found out"), OSError("no network")))
        return ""

    # -- the transport -----------------------------------------------------------------------------

    async def run(
        self, endpoint: Endpoint, task: AnyTask, heard: Heard = unheard
    ) -> AsyncGenerator[AnyEvent, None]:
        """Carry out one attempt, with the weather's faults."""
        self._asked(endpoint, task)
        accepted = False
        try:
            await asyncio.sleep(self._chance.expovariate(5.0))
            await self._before(endpoint)
            if endpoint.name in self._refusing and self._loop.time() < self.weather.until_s:
                self.struck["401"] += 1
                error = TaskError(
                    kind="Unauthorized", message=f"{endpoint.name} does not accept our signature"
                )
                yield Failed(attempt=AttemptId.of(task), error=error)
                return
            if self.running[endpoint.name] >= endpoint.slots:
                raise NoSlot(1.0)
            accepted = True
            self.running[endpoint.name] += 1
            async for event in self._worked(endpoint, task, heard):
                yield event
        except (asyncio.CancelledError, GeneratorExit):
            if accepted and self._strikes("late-write"):
                self._loop.call_later(self._chance.uniform(0, 60), self._write_late, task)
            raise
        finally:
            self.asking[endpoint.name] -= 1
            self.running[endpoint.name] -= accepted

    async def _before(self, endpoint: Endpoint) -> None:
        """Inject the faults that precede a task's start."""
        if self._strikes("late-503"):
            await asyncio.sleep(self._chance.uniform(0, 20))
            raise NoSlot(
                self._chance.choice(ODD_WAITS) if self._strikes("odd-retry-after") else 1.0
            )
        if self._loop.time() < self._cut_until[endpoint.name]:
            raise NotReached(f"{endpoint.name} refuses connections")
        if self._strikes("refused"):
            self._cut_until[endpoint.name] = min(
                self._loop.time() + self._chance.uniform(0, 60), self.weather.until_s
            )
            raise NotReached(f"{endpoint.name} refuses connections")
        if self._strikes("odd-exception"):
            raise self._chance.choice(ODD_ERRORS)("drawn")

    async def _worked(
        self, endpoint: Endpoint, task: AnyTask, heard: Heard
    ) -> AsyncGenerator[AnyEvent, None]:
        attempt = AttemptId.of(task, "1" * 32)
        yield Started(attempt=attempt, worker=1)
        if self._strikes("silence"):
            await asyncio.sleep(FOREVER_S)
        while self._strikes("flood"):
            yield Progress(attempt=attempt, bytes=0, records=0)
            await asyncio.sleep(0)
        if self._strikes("stall"):
            while True:
                await asyncio.sleep(1.0)
                yield Progress(attempt=attempt, bytes=0, records=0)
        if self._strikes("other-task"):
            attempt = attempt.model_copy(update={"run": "run-of-another"})
        left, done = self._duration(), 0
        while left > 0:
            await asyncio.sleep(min(1.0, left))
            left, done = left - 1.0, done + 1
            yield Progress(attempt=attempt, bytes=done, records=done)
            if self._strikes("cut"):
                raise TaskLost(f"{endpoint.name} was lost")
        if self._strikes("task-fails"):
            yield Failed(attempt=attempt, error=TaskError(kind="StorageError", message="drawn"))
            return
        yield self._outcome(task, attempt)

    def _outcome(self, task: AnyTask, attempt: AttemptId) -> Done | Failed:
        try:
            result = carry_out(task, self.storage)
        except MapReduceError as exc:
            return Failed(attempt=attempt, error=task_error(exc))
        if self._strikes("answer-lost"):
            raise TaskLost("the connection was cut after the last byte of the work")
        return Done(attempt=attempt, result=result)

    def _write_late(self, task: AnyTask) -> None:
        """Let an abandoned attempt write its object nevertheless."""
        with suppress(MapReduceError):
            carry_out(task, self.storage)

    def _duration(self) -> float:
        work_s = min(self._chance.expovariate(1 / WORK_S), 20.0)
        return work_s * 10 if self._strikes("slow") else work_s

    def _asked(self, endpoint: Endpoint, task: AnyTask) -> None:
        name = (f"{task.run} {task.stage}", getattr(task, "index", 0), task.attempt)
        if name in self._names:
            self.broken.append(f"two attempts have one name: {name}")
        self._names.add(name)
        self.asking[endpoint.name] += 1
        if self.asking[endpoint.name] > endpoint.slots:
            self.broken.append(
                f"{endpoint.name} was asked for {self.asking[endpoint.name]} tasks at once"
            )

    # -- events without a cause in the run ---------------------------------------------------------

    async def happen(self) -> None:
        """Every second: suspend the driver or the machine, or let an object rot or vanish."""
        while self._loop.time() < self.weather.until_s:
            await asyncio.sleep(1.0)
            if self._strikes("pause"):
                self._loop.jump(self._chance.uniform(6, 300))
            if self._strikes("sleep"):
                self._slept_s += self._chance.uniform(6, 30_000)
            outputs = self.storage.urls(".attempt-")
            if outputs and self._strikes("rot"):
                self.storage.rot(self._chance.choice(outputs), self._chance.randrange(1000))
            if outputs and self._strikes("vanish"):
                self.storage.delete([self._chance.choice(outputs)])

    def _strike(self, operation: str, url: str) -> str:
        if self._strikes("store-fails"):
            return "fail"
        writes = operation in ("write", "create", "copy")
        return "lose" if writes and self._strikes("store-loses-answer") else ""

    def _strikes(self, name: str) -> bool:
        rate = self.weather.rate(name, self._loop.time())
        struck = rate > 0 and self._chance.random() < rate
        self.struck[name] += struck
        return struck

    def _drawn_refusing(self) -> set[str]:
        """Return the endpoints that refuse every signature: one of several, or all."""
        chance = random.Random(self._chance.random())
        if chance.random() < self.weather.rates.get("all-401", 0.0):
            return {endpoint.name for endpoints in self._all.values() for endpoint in endpoints}
        if chance.random() >= self.weather.rates.get("one-401", 0.0):
            return set()
        return {
            chance.choice(endpoints).name for endpoints in self._all.values() if len(endpoints) > 1
        }
