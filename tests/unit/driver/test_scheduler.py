"""One stage's loop, over scripted endpoints."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from driver import events
from driver.events import Event
from driver.fleet.base import Endpoint
from driver.planning import TaskSpec
from driver.policy import RetryPolicy
from driver.scheduler import Clock, Outcome, StageFailed, StageRun
from driver.transport import NoSlot
from mapreduce.errors import FleetError, TaskLost
from mapreduce.messages import MapResult
from tests.unit.driver.fakes import FakeFleet, FakeTransport, failed, map_specs

QUICK = RetryPolicy(first_delay_s=0.0, longest_delay_s=0.0)
A, B = Endpoint("a", "http://a", 2), Endpoint("b", "http://b", 1)


def _run(
    tasks: list[TaskSpec],
    fleet: FakeFleet,
    transport: FakeTransport,
    policy: RetryPolicy = QUICK,
    clock: Clock | None = None,
) -> tuple[list[Outcome], list[Event]]:
    seen: list[Event] = []

    async def stage() -> list[Outcome]:
        run = StageRun("map", fleet, transport, policy, seen.append, clock or Clock(), lambda _: None)
        return await run.run(tasks)

    return asyncio.run(stage()), seen


def test_every_task_is_done_once_and_outcomes_come_in_order() -> None:
    """The slots of all endpoints are used, and never more of them than there are."""
    transport = FakeTransport()
    outcomes, _ = _run(map_specs([1] * 20), FakeFleet(A, B), transport)
    assert [outcome.spec.index for outcome in outcomes] == list(range(20))
    assert Counter(index for _, index in transport.asked) == Counter(range(20))
    assert transport.most_running == {"a": 2, "b": 1}


def test_the_largest_task_starts_first() -> None:
    """What is started last should be short."""
    transport = FakeTransport()
    _run(map_specs([5, 50, 500]), FakeFleet(B), transport)
    assert [index for _, index in transport.asked] == [2, 1, 0]


def test_a_failed_task_is_tried_again_on_another_endpoint() -> None:
    """Two failures, each on the endpoint that had not failed it; the third attempt's result counts."""
    transport = FakeTransport({(0, 1): failed("StorageError"), (0, 2): TaskLost("gone")})
    one = Endpoint("one", "", 1)
    outcomes, seen = _run(map_specs([1]), FakeFleet(one, B, Endpoint("c", "", 1)), transport)
    result = outcomes[0].result
    assert isinstance(result, MapResult)
    assert (outcomes[0].attempts, result.url) == (3, "file:///store/0.2")
    assert len({name for name, _ in transport.asked}) == 3
    assert [event.kind for event in seen if isinstance(event, events.AttemptFailed)] == ["StorageError", "TaskLost"]


def test_a_full_endpoint_is_no_failure() -> None:
    """However often an endpoint says 503, no attempt is used up."""
    script: dict[tuple[int, int], NoSlot] = {(0, number): NoSlot(0.0) for number in range(1, 12)}
    outcomes, seen = _run(map_specs([1]), FakeFleet(B), FakeTransport(dict(script)))
    assert outcomes[0].attempts == 1
    assert not [event for event in seen if isinstance(event, events.AttemptFailed)]


def test_when_a_task_is_out_of_attempts_the_job_fails_with_every_cause() -> None:
    """All failures of the stage are grouped by cause, the most frequent first; what still runs is cancelled."""
    script = {(0, number): failed("StorageError", "disk on fire") for number in range(1, 9)}
    with pytest.raises(StageFailed) as caught:
        _run(map_specs([9, 1, 1]), FakeFleet(A, B), FakeTransport({**script, (1, 1): TaskLost("cable cut")}))
    lines = str(caught.value).splitlines()
    assert "it failed 4 times" in lines[0]
    assert lines[1].strip() == "4 x StorageError: disk on fire"
    assert caught.value.failures["map-0"][0].kind == "StorageError"


def test_endpoints_that_come_during_the_stage_get_tasks() -> None:
    """`terraform apply -var mapper_count=10` in the middle of a run just adds mappers."""
    fleet, transport = FakeFleet(B), FakeTransport()

    def grow() -> None:
        if len(transport.asked) >= 3 and len(fleet.now) == 1:
            fleet.now.append(Endpoint("late", "", 1))

    transport.before_answer = grow
    _, seen = _run(map_specs([1] * 200), fleet, transport)
    assert "late" in {name for name, _ in transport.asked}
    assert ("late",) in [event.appeared for event in seen if isinstance(event, events.FleetChanged)]


def test_endpoints_that_go_get_no_more_tasks() -> None:
    """Scale-in: what is gone is not asked again, and the stage ends all the same."""
    fleet, transport = FakeFleet(B, Endpoint("leaving", "", 1)), FakeTransport()

    def shrink() -> None:
        if len(transport.asked) >= 5:
            fleet.now = [B]

    transport.before_answer = shrink
    outcomes, seen = _run(map_specs([1] * 300), fleet, transport)
    assert len(outcomes) == 300
    assert ("leaving",) in [event.gone for event in seen if isinstance(event, events.FleetChanged)]
    assert transport.asked[-50:] == [("b", index) for _, index in transport.asked[-50:]]


def test_with_no_endpoint_at_all_it_gives_up_after_a_while() -> None:
    """An empty fleet is an error of its own, after a minute of the clock."""
    ticks = iter(range(0, 10_000, 7))
    with pytest.raises(FleetError, match="no map service"):
        _run(map_specs([1]), FakeFleet(), FakeTransport(), clock=Clock(now=lambda: float(next(ticks))))


def test_each_outcome_is_told_at_once() -> None:
    """`done` hears of a task before the stage is over, so that a crash loses none that is finished."""
    heard: list[int] = []

    async def stage() -> None:
        transport = FakeTransport({(1, number): failed("StorageError") for number in range(1, 9)})
        run = StageRun(
            "map",
            FakeFleet(B),
            transport,
            QUICK,
            lambda _: None,
            Clock(),
            lambda outcome: heard.append(outcome.spec.index),
        )
        await run.run(map_specs([9, 1]))

    with pytest.raises(StageFailed):
        asyncio.run(stage())
    assert heard == [0]
