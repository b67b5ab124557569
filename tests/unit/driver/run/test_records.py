"""However a run ends, its records say how."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from driver.history.run_index import RunSummary
from driver.history.run_store import RunStore
from driver.plan.events import (
    Event,
    EventLog,
    RunFailed,
    RunInterrupted,
    RunPaused,
    RunStarted,
)
from driver.plan.tasks import RunPlan
from driver.run.interruption import Interruption
from driver.run.records import NOT_LIVE, Recording, recorded, with_notes
from driver.run.stages import FleetBackend
from driver.transport.endpoint import Endpoint
from mapreduce.errors import JobFailed, LeaseTaken, LimitReached, RunStopped
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.unit.driver.fakes import FakeFleet
from tests.unit.driver.samples import empty_report, run_plan

RUN = "run-20260101-000000-calm-owl"


class _World:
    """A run in a local store."""

    def __init__(self, folder: Path, run: str = RUN) -> None:
        self.runs = RunStore(open_storage(), f"file://{folder}")
        self.plan: RunPlan = run_plan(run=run, store=self.runs.store, created=1000.0)
        self.log = EventLog()
        transport: Any = None
        self.place = FleetBackend(
            self.runs, FakeFleet(Endpoint("a", "", 2)), transport, log_text=lambda: b"a log\n"
        )
        self.runs.write(run, "plan.json", self.plan)

    def end(
        self, body: Callable[[Interruption], Awaitable[None]], *, step: bool = False
    ) -> BaseException | None:
        """Carry out a body as a run; return how it ends."""

        async def run() -> None:
            interruption = Interruption()
            recording = Recording(interruption, step=step)
            async with recorded(self.plan, self.place, self.log, recording):
                await body(interruption)

        try:
            asyncio.run(run())
        except BaseException as exc:  # noqa: BLE001 - the test looks at it
            return exc
        return None

    def records(self) -> set[str]:
        """Return the names of the run's records."""
        folder = keys.run_file(self.runs.store, self.plan.run, "").rstrip("/")
        return {info.url.rpartition("/")[2] for info in self.runs.storage.list(folder)}

    def summary(self) -> RunSummary | None:
        """Return the run's entry in the index."""
        return self.runs.entered().get(self.plan.run)


@pytest.fixture
def world(tmp_path: Path) -> _World:
    """A run in a local store."""
    return _World(tmp_path)


def _raises(exc: BaseException) -> Callable[[Interruption], Awaitable[None]]:
    async def body(_: Interruption) -> None:
        raise exc

    return body


def _stops(why: Any) -> Callable[[Interruption], Awaitable[None]]:
    async def body(interruption: Interruption) -> None:
        interruption.stop(why)
        await asyncio.Event().wait()

    return body


LIMIT = LimitReached("map", 3, spent_usd=0.05, limit_usd=0.06)


@pytest.mark.parametrize(
    ("body", "state", "kind", "records"),
    [
        (_raises(JobFailed("map-3 failed")), "failed", RunFailed, {"failure.json"}),
        (_raises(LIMIT), "paused", RunPaused, {"ended.json"}),
        (_raises(asyncio.CancelledError()), "interrupted", RunInterrupted, {"ended.json"}),
        (_stops(RunStopped("was cancelled")), "interrupted", RunInterrupted, {"ended.json"}),
    ],
)
def test_each_end_has_its_record(
    world: _World,
    body: Callable[[Interruption], Awaitable[None]],
    state: str,
    kind: type[Event],
    records: set[str],
) -> None:
    """The last event, the records, the state and the index agree on how a run has ended."""
    assert world.end(body) is not None
    assert isinstance(world.log.events[0], RunStarted)
    assert isinstance(world.log.events[-1], kind)
    assert {"plan.json", "events.jsonl", "services.log"} | records == world.records()
    assert state == world.runs.state(RUN)
    summary = world.summary()
    assert summary is not None
    assert (state, 1000.0, "WordCount", 1) == (
        summary.state,
        summary.created,
        summary.job,
        summary.inputs,
    )


def test_why_a_run_was_ended_is_its_error(world: _World) -> None:
    """What ends a run from outside is what its caller gets, and what the record says."""
    why = RunStopped("was cancelled")
    assert world.end(_stops(why)) is why
    ended = world.runs.ended(RUN)
    assert ended is not None
    assert "was cancelled" == ended.why


def test_ctrl_c_is_the_callers(world: _World) -> None:
    """A cancellation without a reason stays one, for Python to make Ctrl-C of it."""
    assert isinstance(world.end(_raises(asyncio.CancelledError())), asyncio.CancelledError)
    ended = world.runs.ended(RUN)
    assert ended is not None
    assert "Ctrl-C" in ended.why


def test_a_paused_run_has_its_dollars(world: _World) -> None:
    """The event of a pause has what was spent, and the limit."""
    world.end(_raises(LIMIT))
    last = world.log.events[-1]
    assert isinstance(last, RunPaused)
    assert (0.05, 0.06) == (last.spent_usd, last.limit_usd)


@pytest.mark.parametrize("finds", [_stops, _raises])
def test_a_run_that_another_driver_has_is_left_alone(
    world: _World, finds: Callable[[Exception], Callable[[Interruption], Awaitable[None]]]
) -> None:
    """A driver that has lost its run writes no record, not even of its failure: whether its sign of
    life finds it, or its commit.
    """
    why = LeaseTaken("another driver carries out this run")
    assert world.end(finds(why)) is why
    assert {"plan.json"} == world.records()
    assert world.summary() is None


@pytest.mark.parametrize(
    ("body", "records"),
    [
        (_raises(JobFailed("no")), {"failure.json"}),
        (_stops(RunStopped("was cancelled")), set[str]()),
    ],
)
def test_a_step_records_its_own_failure_alone(
    tmp_path: Path, body: Callable[[Interruption], Awaitable[None]], records: set[str]
) -> None:
    """A step has no entry in the index, and an interruption is the chain's; its events are those
    since it began.
    """
    world = _World(tmp_path, keys.step(RUN, 2))
    world.log(RunStarted(at=0, run=RUN, job="Chain", target="local", inputs=1, size_bytes=1))
    world.end(body, step=True)
    assert {"plan.json", "events.jsonl", "services.log"} | records == world.records()
    assert world.summary() is None
    first = (world.runs.record(world.plan.run, "events.jsonl") or b"").partition(b"\n")[0]
    assert keys.step(RUN, 2).encode() in first


def test_a_run_that_is_done_is_entered_with_its_time(world: _World) -> None:
    """The index has the time of the report; a step is not entered."""
    report = empty_report(run_id=RUN)
    step = Recording(step=True)
    asyncio.run(with_notes(report, world.plan, world.place, world.log, step))
    assert world.summary() is None
    asyncio.run(with_notes(report, world.plan, world.place, world.log, NOT_LIVE))
    summary = world.summary()
    assert summary is not None
    assert ("done", 0.0, None) == (summary.state, summary.seconds, summary.usd)


def test_a_run_that_is_ended_after_its_commit_is_done(world: _World) -> None:
    """An interruption that comes when the result is there does not hide it."""

    async def body(_: Interruption) -> None:
        world.runs.commit(RUN, [], 0)
        raise asyncio.CancelledError

    assert isinstance(world.end(body), asyncio.CancelledError)
    summary = world.summary()
    assert summary is not None
    assert ("done", "done") == (summary.state, world.runs.state(RUN))
    assert "ended.json" not in world.records()
