"""A run's signs of life: lease, segments of events, and the wish to end."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from driver.history.lease import LEASE_S, Lease
from driver.history.run_events import events_of
from driver.history.run_store import RunStore
from driver.plan.clock import Clock
from driver.plan.events import (
    AttemptDone,
    AttemptProgress,
    AttemptStarted,
    DriverTookOver,
    EventLog,
    RunStarted,
)
from driver.run.life import Heart, Life
from mapreduce.errors import LeaseTaken, MapReduceError, RunStopped, StorageError
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.simulation.memory_store import MemoryStorage

RUN = "run-20260101-000000-calm-owl"


class _Run:
    """A run whose time only the test moves."""

    def __init__(self, storage: Any, store: str) -> None:
        self.time = 1_700_000_000.0
        self.runs = RunStore(storage, store)
        self.log = EventLog()
        self.stopped: list[MapReduceError] = []
        clock = Clock(lambda: self.time, lambda: self.time)
        self.life = Life(self.runs, RUN, self.log, clock, self.stop, self.log)

    def stop(self, why: MapReduceError) -> None:
        """Note the end."""
        self.stopped.append(why)

    def segments(self) -> int:
        """Return how many segments the store has."""
        folder = keys.run_file(self.runs.store, RUN, keys.EVENTS)
        return len(list(self.runs.storage.list(folder)))

    def heartbeat(self, task: str, size: int) -> AttemptProgress:
        """Report progress."""
        event = AttemptProgress(at=self.time, task=task, attempt=1, bytes=size, records=0)
        self.log(event)
        return event


@pytest.fixture
def run(tmp_path: Path) -> _Run:
    """A run in a local store."""
    return _Run(open_storage(), f"file://{tmp_path}")


def _started(at: float = 1.0, size: int = 1) -> RunStarted:
    return RunStarted(at=at, run=RUN, job="A", target="local", inputs=1, size_bytes=size)


def test_what_has_happened_is_written_once(run: _Run) -> None:
    """A beat writes the new events and the last heartbeat of each running attempt; without news
    it writes no segment.
    """
    run.log(_started())
    run.heartbeat("map-0", 5)
    last = run.heartbeat("map-0", 9)
    run.life.beat()
    run.life.beat()
    assert (1, [_started(), last]) == (run.segments(), events_of(run.runs, RUN))
    done = AttemptDone(at=2.0, task="map-0", attempt=1, endpoint="a", seconds=1.0, size_bytes=9)
    run.log(done)
    other = run.heartbeat("map-1", 1)
    run.life.beat()
    assert (2, [_started(), last, done, other]) == (run.segments(), events_of(run.runs, RUN))
    assert [] == run.stopped


def test_the_end_leaves_no_segment_and_no_lease(run: _Run) -> None:
    """At the end only the record stays; a run that was too short for a beat deletes nothing."""
    run.life.end()
    run.log(_started())
    run.life.beat()
    run.life.end()
    assert [] == list(run.runs.storage.list(run.runs.store))


def test_a_wish_to_end_ends_the_run(run: _Run) -> None:
    """A beat finds the wish to cancel, and the error says how to go on."""
    run.life.beat()
    assert [] == run.stopped
    run.runs.write(RUN, "cancel", b"")
    run.life.beat()
    (why,) = run.stopped
    assert isinstance(why, RunStopped)
    assert f"{RUN} was cancelled; the same command goes on" in str(why)


def test_a_driver_that_wakes_takes_its_lease_again(run: _Run) -> None:
    """After a pause that is longer than the lease, the driver says that it goes on."""
    run.life.beat()
    run.time += LEASE_S - 1
    run.life.beat()
    assert [] == run.log.events
    run.time += LEASE_S
    run.life.beat()
    lease = Lease.model_validate_json(run.runs.record(RUN, "lease.json") or b"")
    expected = DriverTookOver(at=run.time, host=lease.host, process=lease.process)
    assert [expected] == run.log.events
    run.life.beat()
    assert [expected] == events_of(run.runs, RUN)


def test_a_driver_whose_lease_is_taken_writes_nothing_more(run: _Run) -> None:
    """A driver that finds another one at its run stops it, and leaves the records alone."""
    run.log(_started())
    run.life.beat()
    other = _Run(run.runs.storage, run.runs.store)
    url = keys.run_lease(run.runs.store, RUN)
    lease = run.runs.storage.head(url)
    other.time = lease.modified + LEASE_S
    other.life.beat()
    run.time = lease.modified + LEASE_S
    run.log(_started(2.0))
    before = run.segments()
    for _ in range(2):
        run.life.beat()
    assert run.life.taken
    (why,) = run.stopped
    assert isinstance(why, LeaseTaken)
    assert before == run.segments()


@pytest.mark.parametrize("broken", ["lease.json", keys.EVENTS, "cancel"])
def test_a_failing_store_ends_nothing_and_loses_nothing(broken: str) -> None:
    """What could not be written comes with the next beat, and a note says what failed."""
    failing = [True]

    def strike(operation: str, url: str) -> str:
        return "fail" if failing[0] and broken in url and operation != "read" else ""

    run = _Run(MemoryStorage(strike, vouching=True), "mem://store")
    run.log(_started())
    run.life.beat()
    run.log(_started(2.0))
    run.life.beat()
    assert [] == run.stopped
    (note,) = run.log.notes
    assert "2 times: StorageError: the store failed" in note
    failing[0] = False
    run.life.beat()
    assert [_started(), _started(2.0)] == events_of(run.runs, RUN)


def test_an_answer_that_is_lost_doubles_no_event() -> None:
    """A segment whose answer is lost is written again under its number."""
    lose = ["lose", ""]

    def strike(operation: str, url: str) -> str:
        return lose.pop(0) if lose and keys.EVENTS in url and operation == "write" else ""

    run = _Run(MemoryStorage(strike, vouching=True), "mem://store")
    run.log(_started())
    run.life.beat()
    run.log(_started(2.0))
    run.life.beat()
    assert [_started(), _started(2.0)] == events_of(run.runs, RUN)


def test_signs_of_life_cost_little() -> None:
    """A run of 1,000 tasks writes three events and less than 1 KiB for each task, and three
    requests in each rhythm, however many heartbeats there are.
    """
    counted = Counter[str]()

    def strike(operation: str, url: str) -> str:
        counted[operation] += 1
        return ""

    run = _Run(MemoryStorage(strike, vouching=True), "mem://store")
    tasks, rhythms = 1000, 50
    for number in range(tasks):
        task = f"map-{number}"
        run.log(AttemptStarted(at=1.0, task=task, attempt=1, endpoint="mapper-0"))
        for beat in range(20):
            run.heartbeat(task, beat)
        if number % (tasks // rhythms) == 0:
            run.life.beat()
        run.log(
            AttemptDone(
                at=2.0, task=task, attempt=1, endpoint="mapper-0", seconds=1.0, size_bytes=1 << 26
            )
        )
    run.life.beat()
    written = sum(
        len(run.runs.storage.read(info.url))
        for info in run.runs.storage.list(keys.run_file(run.runs.store, RUN, keys.EVENTS))
    )
    assert written < 1024 * tasks
    assert len(events_of(run.runs, RUN)) <= 3 * tasks
    assert 2 * tasks == len(run.log.events)
    assert counted["write"] == counted["create"] + counted["replace"] == rhythms + 1


def test_a_heart_beats_until_it_is_closed(run: _Run) -> None:
    """The thread beats in its rhythm, and ends with the run; a small run has no beat."""

    async def small() -> bool:
        heart = Heart(run.life, 3600.0)
        heart.start()
        return await heart.close()

    assert not asyncio.run(small())
    assert 0 == run.segments()

    async def longer() -> bool:
        heart = Heart(run.life, 0.001)
        run.log(_started())
        heart.start()
        while not run.segments():
            await asyncio.sleep(0)
        return await heart.close()

    assert not asyncio.run(longer())
    assert 1 == run.segments()


def test_a_write_that_hangs_does_not_hold_the_end_up(
    run: _Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A beat that does not end is left behind, and the caller learns it."""
    monkeypatch.setitem(vars(sys.modules[Heart.__module__]), "CLOSE_S", 0.01)

    async def hangs() -> bool:
        loop, going = asyncio.get_running_loop(), asyncio.Event()
        release = threading.Event()

        def beat() -> None:
            loop.call_soon_threadsafe(going.set)
            release.wait()

        run.life.beat = beat  # type: ignore[method-assign]
        heart = Heart(run.life, 0.0)
        heart.start()
        await going.wait()
        still = await heart.close()
        release.set()
        return still

    assert asyncio.run(hangs())


def test_other_errors_are_noted(run: _Run) -> None:
    """An error that nothing foresees ends neither the thread nor the run."""

    def broken(now: float) -> None:
        raise StorageError("the store is on fire")

    run.life._lease.renew = broken  # type: ignore[method-assign]
    run.life.beat()
    assert ["the run's lease could not be renewed: StorageError: the store is on fire"] == list(
        run.log.notes
    )


def test_a_segment_whose_write_failed_is_written_again_as_it_was(
    run: _Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer of a write may be lost, and the segment read: what came later is in the next."""
    storage, lost = run.runs.storage, [True]

    def write(url: str, data: bytes, **options: Any) -> None:
        type(storage).write(storage, url, data, **options)
        if keys.EVENTS in url and lost.pop():
            raise StorageError("no answer")

    lost = [False, True]
    monkeypatch.setattr(storage, "write", write)
    run.log(_started(1.0))
    run.life.beat()
    first = storage.read(keys.segment(run.runs.store, RUN, 0))
    run.log(_started(2.0))
    lost = [False, False]
    run.life.beat()
    assert first == storage.read(keys.segment(run.runs.store, RUN, 0))
    assert [1.0, 2.0] == [e.at for e in events_of(run.runs, RUN) if isinstance(e, RunStarted)]


def test_a_driver_whose_epoch_was_taken_writes_nothing_more(run: _Run) -> None:
    """The number where a wish to end would be says that another driver goes on with the run."""
    run.runs.write(RUN, "plan.json", b"{}")
    run.runs.take_epoch(RUN)
    run.log(_started())
    run.life.beat()
    (why,) = run.stopped
    assert isinstance(why, LeaseTaken)
    assert "epoch 2" in str(why)
    written = run.segments()
    run.log(_started())
    run.life.beat()
    assert (written, True) == (run.segments(), run.life.taken)
