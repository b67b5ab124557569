"""One seed: drivers of one run that are killed, suspended and doubled, over one store.

Epochs, records, lease and keeper are the real ones. The stages of a run are a few writes of parts:
what they compute is simulated elsewhere.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from driver.history import run_store
from driver.history.lease import LEASE_S, S3_RHYTHM_S
from driver.history.run_store import PLANNED, RunStore, Success
from driver.plan.clock import Clock
from driver.plan.events import EventLog
from driver.plan.tasks import RunPlan
from driver.run.life import Life
from driver.targets import background
from driver.targets.background import keep_going
from mapreduce.errors import MapReduceError, ObjectExists, UsageError
from mapreduce.storage import ObjectInfo
from mapreduce.wire import keys
from mapreduce.wire.messages import JobSpec, SplitRule
from tests.simulation.actors import Actors, Process
from tests.simulation.memory_store import MemoryStorage

STORE = "s3://bucket/store"
RUN = "run-20260101-000000-calm-owl"
EPOCH_S = 1.8e9
PARTS = 2
FAULTS_S = 240.0
"""After this virtual time no driver is killed or suspended any more."""
BOUND_S = FAULTS_S + 600.0
PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a seed.

    Attributes:
        broken: the laws that were broken.
        epochs: the number of the epoch that has committed.
        virtual_s: the duration.
        struck: the faults, in words.
    """

    broken: tuple[str, ...]
    epochs: int
    virtual_s: float
    struck: tuple[str, ...]


def simulate_drivers(seed: int) -> Outcome:
    """Run one seed."""
    return _Case(seed).outcome()


class _RepeatingStorage(MemoryStorage):
    """A store some of whose answers are lost, so that the client repeats the request."""

    repeats: Callable[[], bool]

    def create(self, url: str, data: bytes, *, durable: bool = False) -> ObjectInfo:
        """Write an object that does not exist; perhaps twice."""
        info = super().create(url, data, durable=durable)
        return super().create(url, data, durable=durable) if self.repeats() else info


class _Inline:
    """Stands in for a pool of threads, whose work is done one after another."""

    def __init__(self, _: int) -> None:
        """Take any number of threads."""

    def __enter__(self) -> _Inline:
        return self

    def __exit__(self, *_: object) -> None:
        """End nothing."""

    map = staticmethod(map)


class _Case:
    """The drivers of one seed, and who watches them."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(f"drivers {seed}")
        self.actors = Actors(BOUND_S)
        self.delay_s = self.chance.choice((0.01, 0.2, 3.0))
        self.repeated = self.chance.choice((0.0, 0.3))
        self.storage = _RepeatingStorage(self._delayed, vouching=True, wall=self.wall)
        self.storage.repeats = lambda: self.chance.random() < self.repeated
        self.runs = RunStore(self.storage, STORE)
        self.broken: list[str] = []
        self.struck: list[str] = []
        self.ended_well: list[str] = []
        self.drivers: list[Process] = []
        self.seen: tuple[str, Success] | None = None

    def wall(self) -> float:
        """Return the time of day, which is that of the store too."""
        return EPOCH_S + self.actors.now

    def outcome(self) -> Outcome:
        """Run all actors; return what they did."""
        self.storage.put(keys.run_file(STORE, RUN, "plan.json"), _json(RUN, self.wall()))
        self.storage.put(keys.run_file(STORE, RUN, PLANNED), b"{}")
        chance, actors = self.chance, self.actors
        actors.start(Process("keeper"), self._keep, chance.uniform(0, 2))
        actors.start(Process("faults"), self._strike)
        actors.start(Process("reader"), self._read)
        for _ in range(chance.choice((0, 0, 1, 2))):
            at = chance.uniform(0, FAULTS_S / 2)
            actors.start(Process("user"), self._go_on, at)
        with _own_time(self.wall):
            if not actors.run():
                self.broken.append(f"the run has not ended after {BOUND_S:.0f} virtual seconds")
        self._judge()
        number = len(self.storage.urls("/epochs/"))
        return Outcome(tuple(self.broken), number, actors.now, tuple(self.struck))

    # -- those who start drivers -------------------------------------------------------------------

    def _keep(self) -> None:
        """Keep the run going, as the keeper does; then go on with it, as a patient user does."""
        keep_going(self.runs, RUN, self.chance.choice((0, 1, 3)), sleep=self._rest,
                   say=lambda _: None, drive=self._driven)  # fmt: skip
        while self.runs.state(self.runs.resolve(RUN)) != "done":
            self._rest(PATIENCE_S)
            if self.runs.state(self.runs.resolve(RUN)) in ("lost", "planned"):
                self._driven([])

    def _go_on(self) -> None:
        """Start a driver as soon as the run is lost, as another user does."""
        while (state := self.runs.state(self.runs.resolve(RUN))) != "done":
            if state == "lost":
                self._start_driver("user")
                return
            self.actors.sleep(PATIENCE_S)

    def _rest(self, seconds: float) -> None:
        self.actors.sleep(max(seconds, PATIENCE_S / 2))

    def _driven(self, _: Sequence[str]) -> int:
        """Start a driver, and wait for its end; return its exit code."""
        process = self._start_driver("keeper")
        while process.code is None:
            self.actors.sleep(PATIENCE_S)
        return process.code

    def _start_driver(self, whose: str) -> Process:
        process = Process(f"driver {len(self.drivers) + 1} of the {whose}")
        self.drivers.append(process)
        self.actors.start(process, lambda: self._drive(process))
        return process

    # -- a driver ----------------------------------------------------------------------------------

    def _drive(self, process: Process) -> None:
        """Carry out the run, as `run --plan` does."""
        try:
            name = self._begun()
            if name:
                self._carry_out(name, process)
        except MapReduceError as exc:
            process.code = exc.exit_code
            return
        process.code = 0

    def _begun(self) -> str:
        """Begin the run or go on with it; return the epoch, or "" if there is nothing to do."""
        name = self.runs.resolve(RUN)
        state = self.runs.state(name)
        if state == "lost":
            name = self.runs.take_epoch(name)
        elif self.runs.is_plan(name):
            try:
                self.storage.create(keys.run_file(STORE, name, keys.BEGUN), b"")
            except ObjectExists as exc:
                raise UsageError("another driver has begun") from exc
        else:
            return ""  # it would carry the plan out again, as another run
        self.storage.write(keys.run_file(STORE, name, "plan.json"), _json(name, self.wall()))
        return name

    def _carry_out(self, name: str, process: Process) -> None:
        told: list[MapReduceError] = []
        clock = Clock(now=lambda: self.actors.now, wall=self.wall)
        log = EventLog()

        def stop(why: MapReduceError) -> None:
            told.append(why)

        life = Life(self.runs, name, log, clock, stop, log)

        def beat() -> None:
            while process.code is None:
                self.actors.sleep(S3_RHYTHM_S)
                life.beat()

        self.actors.start(process, beat)
        parts = []
        for number in range(PARTS):
            self.actors.sleep(self.chance.expovariate(1 / 12))
            if told:
                raise told[0]
            url = keys.join(STORE, keys.REDUCE, name, f"part-{number}.attempt-1")
            final = keys.result(STORE, name, number, whole=False)
            parts.append((self.storage.write(url, _part(name, number)), final))
        self.runs.commit(name, parts, PARTS)
        self.ended_well.append(name)
        if not life.taken:
            self.storage.write(keys.run_file(STORE, name, "events.jsonl"), b"")
            life.end()

    # -- the world ---------------------------------------------------------------------------------

    def _delayed(self, operation: str, url: str) -> str:
        """Carry out a request after a while: others come before it."""
        if operation in ("write", "create") and ("/epochs/" in url or url.endswith("/_SUCCESS")):
            self._strike_at_commit()
        if self.chance.random() < 0.7:
            self.actors.sleep(self.chance.expovariate(1 / self.delay_s))
        return ""

    def _strike(self) -> None:
        """Kill and suspend drivers, until some time."""
        mean_s = self.chance.choice((8.0, 20.0, 60.0))
        while self.actors.now < FAULTS_S:
            self.actors.sleep(self.chance.expovariate(1 / mean_s))
            running = [each for each in self.drivers if each.code is None]
            if not running:
                continue
            self._hit(self.chance.choice(running))

    def _strike_at_commit(self) -> None:
        """Perhaps strike the driver just before it takes an epoch, commits, or marks its answer."""
        process = self.actors.process
        if process in self.drivers and self.actors.now < FAULTS_S and self.chance.random() < 0.15:
            self._hit(process)
            self.actors.sleep(0.0)

    def _hit(self, process: Process) -> None:
        """Kill or suspend a driver."""
        if self.chance.random() < 0.4:
            process.kill()
            self.struck.append(f"{process.name} killed at {self.actors.now:.1f}")
            return
        paused_s = self.chance.choice((3.0, LEASE_S, 2 * LEASE_S, 90.0))
        process.paused_until = self.actors.now + paused_s
        self.struck.append(f"{process.name} asleep at {self.actors.now:.1f} for {paused_s}")

    def _read(self) -> None:
        """Read the answer again and again, from before it is there until after all faults."""
        while self.actors.now < FAULTS_S or self.seen is None:
            self._look()
            self.actors.sleep(PATIENCE_S)
        self._look()

    def _look(self) -> None:
        name = self.runs.resolve(RUN)
        success = self.runs.success(name)
        if success is None:
            if self.seen is not None:
                self.broken.append(f"{name} has no answer, after {self.seen[0]} had one")
            return
        if self.seen is not None and (name, success) != self.seen:
            self.broken.append(f"the answer was of {self.seen[0]}, and is of {name}")
        self.seen = name, success
        for number, info in enumerate(success.objects):
            if self.storage.read(info.url) != _part(name, number):
                self.broken.append(f"part {number} of {name} was written by another driver")

    def _judge(self) -> None:
        """Look at what is left when all have ended."""
        marked = self.storage.urls("/_SUCCESS")
        if len(marked) != 1:
            self.broken.append(f"there are {len(marked)} answers: {marked}")
        if len(self.ended_well) > 1:
            self.broken.append(f"several drivers have committed: {self.ended_well}")
        if self.seen is None:
            self.broken.append("no attach has read an answer")
        left = [each.name for each in self.drivers if each.code is None]
        if left:
            self.broken.append(f"these drivers have not ended: {left}")


@contextmanager
def _own_time(wall: Callable[[], float]) -> Iterator[None]:
    """Within the block, records have virtual times, and a commit has no threads of its own."""
    clock: Any = SimpleNamespace(time=wall)
    with ExitStack() as ends:
        for module in (run_store, background):
            ends.enter_context(patch.object(module, "time", clock))
        ends.enter_context(patch.object(run_store, "ThreadPoolExecutor", _Inline))
        yield


def _part(name: str, number: int) -> bytes:
    return f"part {number} by {name}".encode()


def _json(name: str, created: float) -> bytes:
    plan = RunPlan(
        run=name,
        created=created,
        target="aws",
        store=STORE,
        job=JobSpec(code="0" * 64, module="jobs.none", name="None"),
        inputs=(),
        cut=SplitRule(splits=1),
        partitions=PARTS,
        mode="range",
        top=0,
    )
    return plan.model_dump_json().encode()
