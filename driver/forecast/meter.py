"""What a run uses of a fleet, from the run's events. Pure: the same events give the same sums.

Every task of the fleet counts from the run's first use of it to its last event, busy or not: so
AWS bills them. A service that the run has started counts at least a minute for each task.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace

from driver.forecast.fleet_price import LEAST_BILLED_S, PricedFleet, Usage
from driver.plan import events
from driver.plan.events import Event
from driver.transport.endpoint import ROLES, Role
from mapreduce.storage import Requests


class Meter:
    """Adds up what a run uses.

    Args:
        fleet: the sizes and prices of its tasks.
    """

    def __init__(self, fleet: PricedFleet) -> None:
        self._fleet = fleet
        self._counts: dict[Role, int] = {}
        self._told: dict[Role, int] = {}  # what ECS has been asked for
        self._seen: defaultdict[Role, set[str]] = defaultdict(set)
        self._gone: Counter[Role] = Counter()  # and not yet replaced
        self._again: set[Role] = set()  # roles whose stage has begun, and not yet looked them up
        self._started: dict[Role, int] = {}
        self._task_s: defaultdict[Role, float] = defaultdict(float)
        self._began: float | None = None
        self._until = 0.0
        self._is_over = False
        self.requests = Requests()
        """The requests of the attempts that gave a result."""

    def take(self, happened: Iterable[Event]) -> None:
        """Take the next events of the run, in their order."""
        for event in happened:
            if isinstance(event, events.FleetFound):
                self._found(event)
            elif isinstance(event, events.FleetScaled):
                self._scaled(event)
            elif isinstance(event, events.StageStarted):
                self._again.add(ROLES[event.stage])
            elif isinstance(event, events.FleetChanged):
                self._changed(event)
            elif isinstance(event, events.AttemptDone):
                self.requests += replace(Requests(), **event.requests)
            if isinstance(event, events.FleetLeft):
                self._advance(event.at)
                self._is_over = True

    def used(self, now: float) -> Usage:
        """Return what the run has used until `now`, in seconds since the epoch."""
        self._advance(now)
        if self._began is None:
            return Usage()
        billed = {
            role: max(seconds, LEAST_BILLED_S * self._started.get(role, 0))
            for role, seconds in self._task_s.items()
        }
        return self._fleet.usage(billed, self._until - self._began)

    def usd_per_s(self) -> float:
        """Return the dollars a second of all tasks that are there now."""
        return 0.0 if self._is_over else self._fleet.hour_usd(self._counts) / 3600

    def _begin(self, at: float) -> None:
        if self._began is None:
            self._began = self._until = at
            self._counts = dict(self._fleet.usual)

    def _advance(self, to: float) -> None:
        if self._began is None or self._is_over or to <= self._until:
            return
        for role, count in self._counts.items():
            self._task_s[role] += count * (to - self._until)
        self._until = to

    def _found(self, event: events.FleetFound) -> None:
        self._begin(event.at)
        self._advance(event.at)
        for role in ROLES.values():
            if role in event.counts:
                self._tell(role, event.counts[role])

    def _scaled(self, event: events.FleetScaled) -> None:
        self._begin(event.at)
        self._advance(event.at)
        for role in ROLES.values():
            if role in event.after:
                more = event.after[role] - event.before.get(role, 0)
                self._started[role] = self._started.get(role, 0) + max(0, more)
                self._tell(role, event.after[role])

    def _tell(self, role: Role, count: int) -> None:
        self._told[role] = self._counts[role] = count
        self._gone[role] = 0

    def _changed(self, event: events.FleetChanged) -> None:
        self._begin(event.at)
        self._advance(event.at)
        role = ROLES[event.stage]
        is_first = not self._seen[role]
        if role in self._again:
            self._again.discard(role)
            self._seen[role] = set()  # a stage looks all of them up, whom it had before or not
        self._seen[role] |= set(event.appeared)
        self._seen[role] -= set(event.gone)
        known = len(self._seen[role])
        if role not in self._told:
            if is_first:
                # they ran before this stage began, and since the run's first use of the fleet
                self._task_s[role] = known * (self._until - (self._began or self._until))
            self._counts[role] = known
            return
        # a stage may see fewer than there are: they start, or the user wants fewer of them used
        self._gone[role] += len(event.gone)
        self._gone[role] -= min(self._gone[role], len(event.appeared))
        self._counts[role] = max(known, self._told[role] - self._gone[role])
