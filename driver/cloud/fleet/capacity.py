"""How many tasks a run wants of each service, and what to do with them when it ends. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from driver.transport.endpoint import Role

Counts = Mapping[Role, int]
USUAL: Counts = {"splitter": 1, "mapper": 3, "reducer": 1}
"""Tasks of a stack whose variables say 0: those of Terraform's defaults."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """A change of the numbers of tasks by a run: as they were before it, and as it set them."""

    before: dict[Role, int]
    after: dict[Role, int]


@dataclass(frozen=True, slots=True)
class Lease:
    """When a lease was last renewed, and for how many seconds the idle guard waits from then.

    With `holds`, a run or its user still needs the fleet; without, the lease only says when the
    last run has ended.
    """

    renewed: float
    seconds: float
    holds: bool = True

    def holds_at(self, now: float) -> bool:
        """Return whether a run, or its user, needs the fleet now."""
        return self.holds and now < self.renewed + self.seconds


def wanted(now: Counts, usual: Counts, mappers: int | None, map_tasks: int, slots: int) -> Counts:
    """Return the numbers of tasks with which a run is carried out.

    A run starts what is stopped, and adds mappers when the user names a larger number. It never
    takes tasks away: another run may use them.

    Args:
        now: the desired numbers now.
        usual: those of the stack's variables.
        mappers: the user's number of mappers; None for the usual one.
        map_tasks: about how many map tasks the run has: more slots would never have work.
        slots: map tasks that one mapper runs at the same time.
    """
    counts = {role: now[role] or usual[role] or USUAL[role] for role in now}
    if mappers is not None:
        counts["mapper"] = max(now["mapper"], mappers)
    elif not now["mapper"]:
        enough = max(1, math.ceil(map_tasks / slots))
        counts["mapper"] = min(counts["mapper"], enough)
    return counts


def changed(before: Counts, after: Counts) -> Scaling | None:
    """Return the change from one to the other, of the services that change; None without one."""
    roles = [role for role in after if after[role] != before[role]]
    if not roles:
        return None
    return Scaling({role: before[role] for role in roles}, {role: after[role] for role in roles})


@dataclass(frozen=True, slots=True)
class Ending:
    """What a run does with the fleet at its end: sets these numbers, or leaves it, and why."""

    counts: Counts
    why: Literal["restored", "kept", "in use", "changed", "as it was"]


def ending(
    scaling: Scaling | None, now: Counts, others: Iterable[Lease], at: float, *, kept: bool
) -> Ending:
    """Return what to do with the fleet when a run ends.

    Args:
        scaling: the change that this run, or an earlier one that left the fleet to it, has made.
        now: the desired numbers now.
        others: the leases of other runs.
        at: the time now, by the clock of the leases.
        kept: the user wants the tasks to stay for a while.
    """
    if kept:
        return Ending({}, "kept")
    if scaling is None:
        return Ending({}, "as it was")
    if any(lease.holds_at(at) for lease in others):
        return Ending({}, "in use")
    if not any(now.values()):  # stopped by its user, or by a schedule
        return Ending(now, "restored")
    if any(now[role] != count for role, count in scaling.after.items()):
        return Ending({}, "changed")
    return Ending(scaling.before, "restored")
