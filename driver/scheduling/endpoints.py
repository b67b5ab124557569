"""Picks the endpoint for a task: fewest failures first, then the smallest busy share.

A stage asks once for each task, so the endpoints lie in a heap in that order. An endpoint whose
state changes gets a new entry in the heap; its old entry is stale, and is skipped when it comes up.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from driver.scheduling.policy import RetryPolicy, usable_slots
from driver.transport.endpoint import Endpoint


@dataclass(slots=True, eq=False)
class Slots:
    """An endpoint and its state. `place` counts its changes: an entry of another `place` is stale.

    `unauthorized`: it refused our signature at the last request. `left`: when a look-up first
    missed it.
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
        policy: how many tasks a failed endpoint may have.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._known: dict[str, Slots] = {}
        # heaps; each entry is good while its last value is the endpoint's `place`
        self._free: list[tuple[int, float, int, int]] = []  # failures, busy share, number, place
        self._quiet: list[tuple[float, int, int]] = []  # until when, number, place
        self._by_number: dict[int, Slots] = {}
        self._left: dict[str, Slots] = {}  # missing in the last look-up
        self._numbers = 0

    def __len__(self) -> int:
        return len(self._known)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the endpoints that the last look-up found."""
        return tuple(self._known)

    def update(
        self, found: Sequence[Endpoint], now: float
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Take over the endpoints of a look-up; return the names of new and of missing ones."""
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
        """Return the slots of an endpoint that has appeared; a known one has its former state.

        A look-up may miss an endpoint whose tasks run on: its slots are as busy as before when it
        is seen again.
        """
        known = self._left.pop(endpoint.name, None)
        if known is not None and known.endpoint == endpoint:
            return known
        self._numbers += 1
        return Slots(endpoint, self._numbers - 1)

    def all_refuse(self, now: float) -> bool:
        """Return whether each endpoint has refused our signature at its last request.

        A missing endpoint that has not refused it may come back, and counts for `no_endpoint_s`.
        """
        since = now - self._policy.no_endpoint_s
        back = (slots for slots in self._left.values() if slots.left > since)
        return bool(self._known) and all(
            slots.unauthorized for slots in (*self._known.values(), *back)
        )

    def changed(self, slots: Slots) -> None:
        """Enter an endpoint into the heap again, after any change of its state."""
        slots.place += 1
        if slots.number not in self._by_number:
            return
        if slots.busy >= usable_slots(slots.endpoint.slots, slots.failures, self._policy):
            return
        if slots.quiet_until > float("-inf"):
            heapq.heappush(self._quiet, (slots.quiet_until, slots.number, slots.place))
        else:
            share = slots.busy / slots.endpoint.slots
            heapq.heappush(self._free, (slots.failures, share, slots.number, slots.place))

    def pick(self, now: float, avoid: Collection[str] = (), besides: str = "") -> Slots | None:
        """Return a free endpoint: fewest failures first, then the smallest busy share; else None.

        Args:
            now: the time.
            avoid: names of endpoints to take only when there is no other.
            besides: the name of an endpoint not to take at all.
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
        """Return when the next paused endpoint gets tasks again; None without one."""
        self._release(now)
        while self._quiet and self._stale(*self._quiet[0][1:]):
            heapq.heappop(self._quiet)
        return self._quiet[0][0] if self._quiet else None

    def _pick_among_all(self, avoid: Collection[str], besides: str) -> Slots | None:
        """Pick by a scan: the slow path for the few tasks that exclude some endpoints."""
        free = [
            self._by_number[entry[2]] for entry in sorted(self._free) if not self._stale(*entry[2:])
        ]
        free = [slots for slots in free if slots.endpoint.name != besides]
        return min(free, key=lambda slots: slots.endpoint.name in avoid, default=None)

    def _release(self, now: float) -> None:
        """End the pauses that are over."""
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
