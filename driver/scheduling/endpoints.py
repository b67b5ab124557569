"""Who carries tasks out: the endpoint with most room now, found without a look at all of them.

A stage asks this once a task, so the endpoints lie in a heap in the order in which they would be chosen. One whose
state changes gets a new place, and the old one is skipped when it comes up.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from driver.scheduling.policy import RetryPolicy, room
from driver.transport.endpoint import Endpoint


@dataclass(slots=True, eq=False)
class Slots:
    """An endpoint, and how it has done. `place` counts its changes: only the newest of its places is good.

    `unauthorized`: the last time that it was asked, it refused our signature. `left`: when it was last seen to be gone.
    """

    endpoint: Endpoint
    number: int
    busy: int = 0
    failures: int = 0
    quiet_until: float = float("-inf")
    place: int = 0
    unauthorized: bool = False
    left: float = float("-inf")


class Endpoints:
    """The endpoints of a stage.

    Args:
        policy: how many tasks one may have that has failed.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._known: dict[str, Slots] = {}
        self._free: list[
            tuple[int, float, int, int]
        ] = []  # failures, share that is busy, number, place
        self._quiet: list[tuple[float, int, int]] = []  # until when, number, place
        self._by_number: dict[int, Slots] = {}
        self._left: dict[str, Slots] = {}  # those that are gone
        self._numbers = 0

    def __len__(self) -> int:
        return len(self._known)

    def update(
        self, found: Sequence[Endpoint], now: float
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Take over who is there now; return the names of those that have appeared, and of those that are gone."""
        names = {endpoint.name for endpoint in found}
        gone = tuple(name for name in self._known if name not in names)
        for name in gone:
            slots = self._left[name] = self._known.pop(name)
            slots.left = now
            del self._by_number[slots.number]
        appeared = [endpoint for endpoint in found if endpoint.name not in self._known]
        for endpoint in appeared:
            slots = self._known[endpoint.name] = self._returned(endpoint)
            self._by_number[slots.number] = slots
            self.changed(slots)
        return tuple(endpoint.name for endpoint in appeared), gone

    def _returned(self, endpoint: Endpoint) -> Slots:
        """Return the slots of an endpoint that has appeared; one that was here before has what it had then.

        A look-up may miss an endpoint whose tasks run on: its slots are as busy as before when it is seen again.
        """
        known = self._left.pop(endpoint.name, None)
        if known is not None and known.endpoint == endpoint:
            return known
        self._numbers += 1
        return Slots(endpoint, self._numbers - 1)

    def all_refuse(self, now: float) -> bool:
        """Return whether each endpoint has refused our signature the last time that it was asked.

        One that has left and had not refused it may come back, and counts until the policy gives it up.
        """
        since = now - self._policy.no_endpoint_s
        back = (slots for slots in self._left.values() if slots.left > since)
        return bool(self._known) and all(
            slots.unauthorized for slots in (*self._known.values(), *back)
        )

    def changed(self, slots: Slots) -> None:
        """Give an endpoint its new place, after any change of what it does or how it has done."""
        slots.place += 1
        if slots.number not in self._by_number:
            return
        if slots.busy >= room(slots.endpoint.slots, slots.failures, self._policy):
            return
        if slots.quiet_until > float("-inf"):
            heapq.heappush(self._quiet, (slots.quiet_until, slots.number, slots.place))
        else:
            share = slots.busy / slots.endpoint.slots
            heapq.heappush(self._free, (slots.failures, share, slots.number, slots.place))

    def pick(self, now: float, avoid: Collection[str] = (), besides: str = "") -> Slots | None:
        """Return the endpoint with fewest failures, then most room; None when no slot is free.

        Args:
            now: the time.
            avoid: names of those that are taken only when there is no other.
            besides: the name of one that is not taken at all.
        """
        self._release(now)
        self._drop_stale()
        if not self._free:
            return None
        first = self._by_number[self._free[0][2]]
        name = first.endpoint.name
        if name not in avoid and name != besides:
            return first
        return self._pick_among_all(avoid, besides)

    def next_return(self, now: float) -> float | None:
        """When the next endpoint that is left alone will be asked again."""
        self._release(now)
        while self._quiet and self._stale(*self._quiet[0][1:]):
            heapq.heappop(self._quiet)
        return self._quiet[0][0] if self._quiet else None

    def _pick_among_all(self, avoid: Collection[str], besides: str) -> Slots | None:
        """For the few tasks that must not go just anywhere."""
        free = [
            self._by_number[entry[2]] for entry in sorted(self._free) if not self._stale(*entry[2:])
        ]
        free = [slots for slots in free if slots.endpoint.name != besides]
        return min(free, key=lambda slots: slots.endpoint.name in avoid, default=None)

    def _release(self, now: float) -> None:
        """Those that have been left alone for long enough are free again."""
        while self._quiet and self._quiet[0][0] <= now:
            _, number, place = heapq.heappop(self._quiet)
            if not self._stale(number, place):
                slots = self._by_number[number]
                slots.quiet_until = float("-inf")
                self.changed(slots)

    def _drop_stale(self) -> None:
        while self._free and self._stale(*self._free[0][2:]):
            heapq.heappop(self._free)

    def _stale(self, number: int, place: int) -> bool:
        slots = self._by_number.get(number)
        return slots is None or slots.place != place
