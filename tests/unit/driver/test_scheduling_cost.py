"""The scheduler's cost of a task, in executed lines: it does not depend on the number of tasks and
endpoints.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import driver
from driver.plan import events
from driver.plan.clock import Clock
from driver.plan.events import Event
from driver.scheduling.policy import RetryPolicy
from driver.scheduling.scheduler import StageRun
from driver.transport.endpoint import Endpoint
from tests.unit.driver.fakes import FakeFleet, FakeTransport, failed, map_specs

OURS = str(Path(driver.__file__).parent)
POLICY = RetryPolicy(first_delay_s=0.0, longest_delay_s=0.0, least_failures=10**6)


class _Rare(FakeFleet):
    """A fleet that is looked up once."""

    refresh_s = 3600.0


def _lines_a_task(
    tasks: int, endpoints: int, *, failing: bool = False
) -> tuple[float, list[Event]]:
    """Return the number of executed lines of the driver for each task, and the events."""
    seen: list[Event] = []
    transport = FakeTransport(
        {(index, 1): failed("StorageError") for index in range(tasks)} if failing else {}
    )
    fleet = _Rare(*(Endpoint(f"e{number}", "", 2) for number in range(endpoints)))
    stage = StageRun("map", fleet, transport, POLICY, seen.append, Clock(), lambda _: None)
    specs = map_specs([1] * tasks)
    lines = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    def only_ours(frame: FrameType, event: str, argument: Any) -> Any:
        return trace if frame.f_code.co_filename.startswith(OURS) else None

    before = sys.gettrace()
    sys.settrace(only_ours)
    try:
        asyncio.run(stage.run(specs))
    finally:
        sys.settrace(before)
    return lines / tasks, seen


@pytest.mark.parametrize("failing", [False, True], ids=["all well", "each fails once"])
def test_more_tasks_cost_no_more_each(failing: bool) -> None:
    """A task among a thousand costs at most 1.2 times as many lines as among a hundred."""
    few, _ = _lines_a_task(100, 4, failing=failing)
    many, seen = _lines_a_task(1000, 4, failing=failing)
    assert many < 1.2 * few
    assert len([event for event in seen if isinstance(event, events.AttemptDone)]) == 1000


def test_more_endpoints_cost_no_more_a_task() -> None:
    """A task costs as many lines with a hundred endpoints as with four."""
    few, _ = _lines_a_task(1000, 4)
    many, _ = _lines_a_task(1000, 100)
    assert many < 1.2 * few


def test_a_task_that_succeeds_at_once_makes_two_events() -> None:
    """A task that succeeds at once adds two events to the log."""
    _, seen = _lines_a_task(200, 4)
    assert len(seen) == 1 + 2 * 200
