"""A stage whose endpoints cannot be reached, or not be looked up, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from driver.plan import events
from driver.plan.clock import Clock
from driver.plan.events import Event
from driver.plan.outcomes import Outcome
from driver.plan.tasks import AnyTask
from driver.scheduling.policy import RetryPolicy
from driver.scheduling.scheduler import StageRun
from driver.transport.base import Heard, NotReached, unheard
from driver.transport.endpoint import Endpoint, SignInEnded
from mapreduce.errors import FleetError, StageFailed
from mapreduce.wire.messages import AnyEvent, StageName
from tests.simulation.virtual_time import VirtualLoop, run_virtually
from tests.unit.driver.fakes import FakeFleet, FakeTransport, map_specs

A, B = Endpoint("a", "http://a", 2), Endpoint("b", "http://b", 1)
POLICY = RetryPolicy()


class _Fleet(FakeFleet):
    """Endpoints that are looked up every five seconds."""

    refresh_s = 5.0


class _Unreachable(FakeTransport):
    """Endpoints that cannot be connected to until a time, and answer after a second."""

    def __init__(self, loop: VirtualLoop, until_s: float, *names: str) -> None:
        super().__init__()
        self._loop, self._until_s, self._names = loop, until_s, names

    async def run(
        self, endpoint: Endpoint, task: AnyTask, heard: Heard = unheard
    ) -> AsyncGenerator[AnyEvent, None]:
        if self._loop.time() < self._until_s and endpoint.name in self._names:
            raise NotReached("timed out")
        await asyncio.sleep(1.0)
        async for event in super().run(endpoint, task, heard):
            yield event


@pytest.fixture
def loop() -> VirtualLoop:
    """Virtual seconds; a run of three hours would hang."""
    return VirtualLoop(10_800.0)


def _run(
    loop: VirtualLoop, tasks: int, fleet: FakeFleet, transport: FakeTransport
) -> tuple[list[Outcome], list[Event]]:
    seen: list[Event] = []
    clock = Clock(now=loop.time, wall=loop.time)
    stage = StageRun(
        "map", fleet, transport, POLICY, seen.append, clock, lambda _: None, jitter=lambda: 0.5
    )
    return run_virtually(loop, stage.run(map_specs([1] * tasks))), seen


def test_a_certain_cause_of_silence_ends_the_stage_soon(loop: VirtualLoop) -> None:
    """A fleet that knows why none of its endpoints can be reached ends the stage within a minute,
    and not after the five that services may take to come back.
    """
    fleet = _Fleet(A, B)
    fleet.unreached = "the stack does not admit this address"
    with pytest.raises(FleetError, match="does not admit this address") as caught:
        _run(loop, 1, fleet, _Unreachable(loop, 1e9, "a", "b"))
    assert not isinstance(caught.value, StageFailed)
    assert [("a", "b")] == fleet.asked_why
    assert POLICY.silent_s <= loop.time() < 60


def test_without_a_certain_cause_the_silence_is_said(loop: VirtualLoop) -> None:
    """Without a certain cause the stage goes on, and says every half minute that none answers."""
    fleet = _Fleet(A, B)
    outcomes, seen = _run(loop, 1, fleet, _Unreachable(loop, 150, "a", "b"))
    assert 1 == len(outcomes)
    said = [event for event in seen if isinstance(event, events.NothingAnswers)]
    assert 3 <= len(said) == len(fleet.asked_why) <= 5
    assert (2, True) == (said[0].endpoints, 30 <= said[0].seconds < 60)


def test_a_diagnosis_that_fails_ends_nothing(loop: VirtualLoop) -> None:
    """A look-up of the cause that fails changes nothing."""

    class Failing(_Fleet):
        async def why_unreached(self, stage: StageName, names: Sequence[str]) -> str:
            raise OSError("no network")

    outcomes, _ = _run(loop, 1, Failing(A, B), _Unreachable(loop, 100, "a", "b"))
    assert 1 == len(outcomes)


def test_an_endpoint_that_answers_ends_the_silence(loop: VirtualLoop) -> None:
    """While one endpoint answers, the fleet is not asked why another does not."""
    fleet = _Fleet(A, B)
    fleet.unreached = "it is said to be certain"
    transport = _Unreachable(loop, 1e9, "b")
    outcomes, _ = _run(loop, 300, fleet, transport)
    assert (300, []) == (len(outcomes), fleet.asked_why)
    assert loop.time() > 2 * POLICY.silent_s


class _SignedOut(_Fleet):
    """A fleet whose look-ups fail for want of credentials until a time."""

    def __init__(self, loop: VirtualLoop, until_s: float, *endpoints: Endpoint) -> None:
        super().__init__(*endpoints)
        self._loop, self._until_s = loop, until_s

    async def endpoints(self, stage: StageName) -> list[Endpoint]:
        if self._loop.time() < self._until_s:
            raise SignInEnded("the AWS credentials have expired; sign in again")
        return await super().endpoints(stage)


def test_credentials_that_end_are_waited_for(loop: VirtualLoop) -> None:
    """A stage without an endpoint waits longer for new credentials than for a fleet that does not
    come, and says so once and then every ten seconds.
    """
    outcomes, seen = _run(loop, 1, _SignedOut(loop, 3000, A), FakeTransport())
    assert 1 == len(outcomes)
    (failed_look,) = [event for event in seen if isinstance(event, events.LookFailed)]
    assert "sign in again" in failed_look.why
    waits = [event for event in seen if isinstance(event, events.WaitingForFleet)]
    assert 200 < len(waits) < 400
    assert all("sign in again" in event.why for event in waits)


def test_credentials_are_waited_for_an_hour(loop: VirtualLoop) -> None:
    """After an hour the stage ends, and says how the run is continued."""
    with pytest.raises(SignInEnded, match="sign in again; then run the same command again"):
        _run(loop, 1, _SignedOut(loop, 1e9, A), FakeTransport())
    assert POLICY.sign_in_s < loop.time() < POLICY.sign_in_s + 60


def test_after_a_sign_in_the_fleet_has_its_time_to_come(loop: VirtualLoop) -> None:
    """The time without credentials does not count as time without an endpoint."""

    class Late(_SignedOut):
        async def endpoints(self, stage: StageName) -> list[Endpoint]:
            found = await super().endpoints(stage)
            return found if self._loop.time() > 1200 else []

    outcomes, _ = _run(loop, 1, Late(loop, 1000, A), FakeTransport())
    assert 1 == len(outcomes)
