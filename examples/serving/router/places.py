"""Give each request a replica: at once, after a short wait in a queue, or not at all."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Collection

from examples.serving.router.decisions.admission import Limits, verdict, with_place
from examples.serving.router.decisions.canary import Group
from examples.serving.router.decisions.ejection import EJECTION, usable
from examples.serving.router.decisions.policy import POLICIES, Chance, PolicyName
from examples.serving.router.replicas import Replica, Replicas


class NoPlace(Exception):
    """No replica takes the request now; the message says why."""


class Places:
    """The requests in flight at each replica, and the queue of those that wait.

    Args:
        replicas: the replicas.
        policy: which of them answers.
        limits: how many requests each has, and how many wait.
        chance: random numbers.
    """

    def __init__(
        self,
        replicas: Replicas,
        policy: PolicyName,
        limits: Limits,
        chance: random.Random,
    ) -> None:
        self._replicas = replicas
        self._policy = POLICIES[policy]
        self._limits = limits
        self._chance = chance
        self._turn = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """The requests that wait."""
        return len(self._waiting)

    async def take(self, group: Group) -> Replica:
        """Return a replica for a new request, which then has one more in flight.

        Raises:
            NoPlace: every replica is full, and so is the queue, or there is no replica.
        """
        found = self._candidates(group)
        decided = verdict([each.in_flight for each in found], len(self._waiting), self._limits)
        if decided == "refuse":
            raise NoPlace(
                "every container of the model has as many requests as it takes"
                if found
                else "no container of the model is ready"
            )
        if decided == "wait":
            found = await self._turn_of(group)
        return self._given(found)

    def take_another(self, group: Group, but: Collection[Replica]) -> Replica | None:
        """Return another replica for a second attempt, at once or not at all."""
        found = [each for each in self._candidates(group) if each not in but]
        loads = [each.in_flight for each in found]
        return self._given(found) if with_place(loads, self._limits) else None

    def free(self, replica: Replica) -> None:
        """Give a place back."""
        replica.in_flight -= 1
        self.wake()

    def wake(self) -> None:
        """Let the first of the queue look for a place."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
                return

    async def _turn_of(self, group: Group) -> list[Replica]:
        """Wait at the queue's end; return the candidates when one of them has a place."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._limits.wait_s
        waiter = loop.create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout_at(until):
                while True:
                    await waiter
                    found = self._candidates(group)
                    if with_place([each.in_flight for each in found], self._limits):
                        return found
                    place = self._waiting.index(waiter)
                    self._waiting[place] = waiter = loop.create_future()
        except TimeoutError:
            raise NoPlace("every container of the model is busy") from None
        finally:
            self._waiting.remove(waiter)

    def _candidates(self, group: Group) -> list[Replica]:
        """Return the replicas that may get a request; a canary that cannot is stood in for."""
        ready = self._replicas.ready(group)
        loads = [each.in_flight for each in ready]
        records = [each.record for each in ready]
        indices = usable(records, loads, time.monotonic(), EJECTION[group])
        found = [ready[index] for index in indices]
        if group == "canary" and not with_place([each.in_flight for each in found], self._limits):
            return self._candidates("stable")
        return found

    def _given(self, found: list[Replica]) -> Replica:
        places = with_place([each.in_flight for each in found], self._limits)
        chance = Chance(self._turn, self._chance.random(), self._chance.random())
        chosen = self._policy([found[index].in_flight for index in places], chance)
        self._turn += 1
        replica = found[places[chosen]]
        replica.in_flight += 1
        return replica
