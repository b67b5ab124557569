"""Whether a request is sent now, waits for a moment, or is refused at once.

A request that waits longer than its caller does is work for nothing. So each replica has a limit of
requests in flight, a few more wait for a place, and all others are told at once to come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["send", "wait", "refuse"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of the router.

    Attributes:
        in_flight: the most requests in flight at one replica.
        waiting: the most requests that wait for a place.
        wait_s: how long one of them waits at most.
    """

    in_flight: int = 32
    waiting: int = 64
    wait_s: float = 0.03


def verdict(loads: Sequence[int], waiting: int, limits: Limits) -> Verdict:
    """Return what happens to a new request.

    Args:
        loads: the requests in flight at each replica that may get it.
        waiting: the requests that wait for a place.
        limits: the limits.
    """
    # those who came earlier go first, else a newcomer would take each place that becomes free
    if not waiting and any(load < limits.in_flight for load in loads):
        return "send"
    return "wait" if loads and waiting < limits.waiting else "refuse"


def with_place(loads: Sequence[int], limits: Limits) -> list[int]:
    """Return the indices of the replicas below the limit."""
    return [index for index, load in enumerate(loads) if load < limits.in_flight]
