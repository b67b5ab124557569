"""A run is watched until it is over or lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from driver.history.lease import LEASE_S
from driver.history.run_store import RunStore
from driver.history.watch import watch
from driver.plan.events import Event, RunDone, Starting, encoded
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.unit.driver.samples import run_plan

START = 1_700_000_000.0


class _World:
    """A store in which something happens at each second of a time that only `sleep` moves."""

    def __init__(self, folder: Path, *, renewals: int) -> None:
        self.runs = RunStore(open_storage(), f"file://{folder}")
        self.run = self.runs.begin(run_plan(created=START)).run
        self.time, self._renewals = 0.0, renewals
        self._written = 0

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds
        if self.time <= self._renewals:
            url = keys.run_lease(self.runs.store, self.run)
            self.runs.storage.write(url, b"%f" % self.time)
            os.utime(url.removeprefix("file://"), (START + self.time,) * 2)
            event = Starting(at=self.time, what=f"at {self.time:g}")
            segment = keys.segment(self.runs.store, self.run, self._written)
            self.runs.storage.write(segment, encoded([event]))
            self._written += 1

    def watched(self, skew: float = 0.0) -> tuple[list[Event], list[str]]:
        """Return the events and the states that a watcher with another clock sees."""
        events, states = list[Event](), list[str]()
        for seen in watch(
            self.runs,
            self.run,
            sleep=self.sleep,
            now=lambda: self.time,
            wall=lambda: START + self.time + skew,
        ):
            events += seen.events
            states.append(seen.state)
        return events, states


@pytest.mark.parametrize("skew", [0.0, -3600.0])
def test_a_run_whose_driver_goes_is_lost(tmp_path: Path, skew: float) -> None:
    """A watcher sees all events, and says lost once the lease has run out, also with a clock that
    is late.
    """
    world = _World(tmp_path, renewals=10)
    events, states = world.watched(skew)
    assert [f"at {at}" for at in range(2, 11, 2)] == [
        event.what for event in events if isinstance(event, Starting)
    ]
    assert ({"running"}, "lost") == (set(states[:-1]), states[-1])
    assert 10 + LEASE_S <= world.time < 10 + 15


def test_a_run_that_is_over_has_its_end(tmp_path: Path) -> None:
    """The watch ends with the record of the events, and gives the state of the end."""
    world = _World(tmp_path, renewals=4)
    done = RunDone(at=9.0, run=world.run, seconds=9.0)
    world.runs.write(world.run, "events.jsonl", encoded([done]))
    world.runs.write(world.run, "failure.json", b"{}")
    assert ([done], ["failed"]) == world.watched()


def test_an_old_run_without_events_has_its_end(tmp_path: Path) -> None:
    """A run of an older version, which has no lease and no events, is over at once."""
    world = _World(tmp_path, renewals=0)
    world.time = 1000.0
    assert ([], ["lost"]) == world.watched()
    world.runs.commit(world.run, [], 0)
    assert ([], ["done"]) == world.watched()
