"""Who gets a replica, who waits, and who is refused."""

from __future__ import annotations

import asyncio
import random

import pytest

from examples.serving.router.connections import Address
from examples.serving.router.decisions.admission import Limits
from examples.serving.router.decisions.canary import Group
from examples.serving.router.decisions.ejection import Record
from examples.serving.router.decisions.readiness import Readiness
from examples.serving.router.places import NoPlace, Places
from examples.serving.router.replicas import Replica, Replicas

pytestmark = pytest.mark.anyio
LIMITS = Limits(in_flight=2, waiting=2, wait_s=30)


def _places(
    stable: int, canary: int = 0, limits: Limits = LIMITS
) -> tuple[Places, dict[str, Replica]]:
    replicas = Replicas(None, connect_s=1)
    named: dict[Group, int] = {"stable": stable, "canary": canary}
    for group, count in named.items():
        for replica in replicas.update(
            group, [Address(group, port) for port in range(1, count + 1)]
        ):
            replica.readiness = Readiness(ready=True)
    places = Places(replicas, "least", limits, random.Random(1))
    return places, {str(each.address): each for each in replicas}


async def test_requests_spread_over_the_replicas() -> None:
    """Each replica gets one before any gets two."""
    places, _ = _places(3)
    taken = [await places.take("stable") for _ in range(6)]
    assert len(set(taken[:3])) == len(set(taken[3:])) == 3
    assert [each.in_flight for each in set(taken)] == [2, 2, 2]


async def test_the_one_that_waited_longest_gets_the_free_place() -> None:
    """The queue is first come, first served, and a newcomer does not pass it."""
    places, _ = _places(1)
    first = await places.take("stable")
    await places.take("stable")
    got: list[int] = []

    async def wait(number: int) -> None:
        await places.take("stable")
        got.append(number)

    waiting = [asyncio.create_task(wait(number)) for number in (1, 2)]
    await asyncio.sleep(0)
    assert places.waiting == 2
    with pytest.raises(NoPlace, match="as many requests as it takes"):
        await places.take("stable")
    places.free(first)
    await waiting[0]
    assert got == [1]
    places.free(first)
    await waiting[1]
    assert got == [1, 2]
    assert places.waiting == 0


async def test_the_wait_has_an_end() -> None:
    """Nobody waits longer than the limit, and the queue forgets who left."""
    places, _ = _places(1, limits=Limits(in_flight=1, waiting=2, wait_s=0))
    await places.take("stable")
    with pytest.raises(NoPlace, match="busy"):
        await places.take("stable")
    assert places.waiting == 0


async def test_a_cancelled_wait_leaves_the_queue() -> None:
    """A caller that hangs up while it waits takes no place."""
    places, replicas = _places(1)
    taken = [await places.take("stable") for _ in range(2)]
    waiting = asyncio.create_task(places.take("stable"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert places.waiting == 0
    places.free(taken[0])
    assert replicas["stable:1"].in_flight == 1


async def test_without_a_replica_there_is_nothing_to_wait_for() -> None:
    """The refusal says that no container is ready."""
    places, _ = _places(0)
    with pytest.raises(NoPlace, match="no container of the model is ready"):
        await places.take("stable")


async def test_a_full_or_missing_canary_is_stood_in_for() -> None:
    """Requests for the canary go to the stable version when it has no place."""
    places, replicas = _places(1, canary=1, limits=Limits(in_flight=1, waiting=1, wait_s=0))
    assert (await places.take("canary")).group == "canary"
    assert (await places.take("canary")).group == "stable"
    assert replicas["canary:1"].in_flight == replicas["stable:1"].in_flight == 1


async def test_a_second_attempt_goes_elsewhere_or_nowhere() -> None:
    """It neither waits nor goes back to the replica that failed."""
    places, replicas = _places(2)
    tried = await places.take("stable")
    other = places.take_another("stable", but=[tried])
    assert other is not None
    assert other is not tried
    other.in_flight = 2
    assert places.take_another("stable", but=[tried]) is None
    alone, one = _places(1)
    assert alone.take_another("stable", but=list(one.values())) is None
    assert len(replicas) == 2


async def test_an_ejected_replica_gets_nothing() -> None:
    """Its requests go to the others, though it has the fewest in flight."""
    places, replicas = _places(2)
    replicas["stable:1"].record = Record(until=float("inf"), probation=True)
    taken = [await places.take("stable") for _ in range(2)]
    assert {str(each.address) for each in taken} == {"stable:2"}


async def test_silent_replicas_are_better_than_none() -> None:
    """If all are silent, they get the requests: most likely the machine has too much work."""
    places, replicas = _places(2)
    replicas["stable:1"].readiness = Readiness(silences=3, suspect=True)
    assert str((await places.take("stable")).address) == "stable:2"
    replicas["stable:2"].readiness = Readiness(silences=3, suspect=True)
    assert str((await places.take("stable")).address) == "stable:1"
    for replica in replicas.values():
        replica.readiness = Readiness()
    with pytest.raises(NoPlace, match="no container"):
        await places.take("stable")


def test_replicas_come_and_go() -> None:
    """An update adds and removes, and keeps what it knows of the others."""
    replicas = Replicas(None, connect_s=1)
    one, two, three = (Address("a", port) for port in (1, 2, 3))
    added = replicas.update("stable", [one, two])
    assert [each.address for each in added] == [one, two]
    added[0].readiness = Readiness(ready=True)
    assert [each.address for each in replicas.update("stable", [one, three])] == [three]
    assert replicas.ready("stable") == [added[0]]
    assert sorted(str(each.address) for each in replicas) == ["a:1", "a:3"]
    replicas.update("canary", [one])
    assert len(list(replicas)) == 3
