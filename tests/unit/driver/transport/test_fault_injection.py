"""Fault injection repeats the same faults at its rates, and spares the third attempt."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from driver.plan.events import Event, FaultInjected
from driver.plan.fault_rates import DUPLICATE, Chaos, parse_chaos
from driver.transport.endpoint import Endpoint
from driver.transport.fault_injection import ChaosTransport
from mapreduce.errors import UsageError
from mapreduce.wire.messages import AttemptId, ErrorKind, Failed, MapTask, TaskError
from tests.unit.driver.fakes import FakeTransport, map_specs

TASKS = [spec.message("0") for spec in map_specs([1] * 2000)]


def _kinds(chaos: Chaos) -> list[str | None]:
    return [chaos.kind(task) for task in TASKS]


def test_the_rates_are_kept() -> None:
    """The rates of 2,000 attempts are within the limits of chance."""
    counts = Counter(_kinds(parse_chaos("kill=0.2,slow=0.1", 1)))
    assert 320 < counts["kill"] < 480
    assert 140 < counts["slow"] < 260
    assert set(counts) == {"kill", "slow", None}


def test_a_seed_breaks_the_same_attempts_again_and_another_others() -> None:
    """The same seed gives the same faults, and another seed others."""
    first = parse_chaos("kill=0.2,slow=0.1", 1)
    assert _kinds(first) == _kinds(parse_chaos("kill=0.2,slow=0.1", 1))
    assert _kinds(first) != _kinds(parse_chaos("kill=0.2,slow=0.1", 2))
    task = TASKS[0]
    assert first.fault("kill", task) == first.fault("kill", task)


def test_the_third_attempt_is_spared() -> None:
    """The third attempt, and every attempt that repeats a lost output, has no fault."""
    chaos = parse_chaos("kill=1", 1)
    (spec,) = map_specs([1])
    broken = {attempt: chaos.kind(spec.message(attempt)) for attempt in ("0", "1", "2", "3", "1-0")}
    assert broken == {"0": "kill", "1": "kill", "2": None, "3": None, "1-0": None}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("kill", "write kind=rate"),
        ("kill=x", "write kind=rate"),
        (
            "crash=0.1",
            "there is no fault 'crash'; there are: kill, hang, slow, error, corrupt, duplicate",
        ),
        ("kill=1.5", "the rate of kill must be from 0 to 1"),
        ("kill=-1", "the rate of kill must be from 0 to 1"),
        ("kill=0.6,hang=0.6", "more than 1"),
    ],
)
def test_a_wrong_specification_is_refused(text: str, named: str) -> None:
    """A wrong specification is refused with the right form."""
    with pytest.raises(UsageError) as caught:
        parse_chaos(text, 0)
    assert named in str(caught.value)


def test_a_fault_is_sent_with_the_task_and_reported() -> None:
    """A fault is sent with the task and reported; a duplicated attempt is requested twice."""
    seen: list[Event] = []
    inner = FakeTransport()
    (task,) = (spec.message("0") for spec in map_specs([1]))
    assert isinstance(task, MapTask)

    async def carry_out(text: str) -> None:
        transport = ChaosTransport(inner, parse_chaos(text, 3), seen.append)
        async for _ in transport.run(Endpoint("a", "", 1), task):
            pass

    asyncio.run(carry_out("error=1"))
    asyncio.run(carry_out(f"{DUPLICATE}=1"))
    assert inner.attempts[0] == 3
    assert [event.fault for event in seen if isinstance(event, FaultInjected)] == [
        "error",
        DUPLICATE,
    ]


@pytest.mark.parametrize(
    ("fault", "kind", "expected"),
    [
        ("kill", "TaskLost", "fault injection killed the worker (SIGKILL)"),
        ("kill", "UserCodeError", "most likely out of memory"),
        ("slow", "TaskLost", "most likely out of memory"),
    ],
)
def test_a_killed_worker_is_not_blamed_on_memory(
    fault: str, kind: ErrorKind, expected: str
) -> None:
    """A worker that fault injection killed is said to be so; other failures keep their message."""
    (task,) = (spec.message("0") for spec in map_specs([1]))
    error = TaskError(kind=kind, message="most likely out of memory")
    lost = Failed(attempt=AttemptId.of(task), error=error)

    async def carry_out() -> list[str]:
        inner = FakeTransport({(0, 1): lost})
        transport = ChaosTransport(inner, parse_chaos(f"{fault}=1", 3), lambda _: None)
        return [
            event.error.message
            async for event in transport.run(Endpoint("a", "", 1), task)
            if isinstance(event, Failed)
        ]

    assert [expected] == asyncio.run(carry_out())
