"""When the fleet has been idle for too long. Pure: the standard library alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lease:
    """When a run renewed its lease, and for how many seconds from then the fleet stays."""

    renewed: float
    seconds: float


def stops_at(leases: Iterable[Lease], began: float, idle_s: float) -> float:
    """Return when the fleet is to be stopped.

    A lease that was renewed after the guard began says itself how long the fleet stays: a run in
    progress renews it, `--keep` sets it. Older leases are of fleets that have been stopped since.
    Without a lease the fleet, which `terraform apply` may have started, stays for `idle_s`.

    Args:
        leases: all leases.
        began: when the guard began to watch.
        idle_s: how long a fleet without a run stays.

    Returns:
        A time by the clock of `began` and of the leases.
    """
    ends = [lease.renewed + lease.seconds for lease in leases if lease.renewed >= began]
    return max(ends, default=began + idle_s)
