"""Whether a replica is ready, from the answers to the router's probes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Probe = Literal["ready", "not ready", "absent", "silent"]
"""The answer to a probe: 200, another status, no connection, or none in time."""
SILENCES = 3
"""Probes in a row without an answer in time that make a replica unready: one may be bad luck."""
LATE = 1.5
"""A limit that is noticed this many times later than it was shows that the router itself was late:
on a machine with too much work, the answer may have come meanwhile.
"""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the last probes say of a replica.

    Attributes:
        ready: whether it gets requests.
        silences: probes in a row without an answer in time.
        suspect: whether only silence has made it unready; it gets requests if no other does.
    """

    ready: bool = False
    silences: int = 0
    suspect: bool = False


def after_probe(before: Readiness, probe: Probe) -> Readiness:
    """Return a replica's readiness after one more probe.

    A clear answer counts at once: one "ready" brings it in, and one "not ready" or a refused
    connection takes it out, since it stops or starts.
    """
    if probe == "ready":
        return Readiness(ready=True)
    if probe == "silent":
        silences = before.silences + 1
        ready = before.ready and silences < SILENCES
        return Readiness(ready, silences, suspect=not ready and (before.ready or before.suspect))
    return Readiness()


def after_answer(before: Readiness) -> Readiness:
    """Return a replica's readiness after the answer to a request: it is not silent."""
    return Readiness(ready=before.ready or before.suspect)


def was_silent(waited_s: float, limit_s: float) -> bool:
    """Return whether a probe that had no answer in its time says anything of the replica.

    Args:
        waited_s: how long it was until the router noticed.
        limit_s: the time that the answer had.
    """
    return waited_s <= LATE * limit_s


def is_lost(before: Readiness, after: Readiness, probe: Probe, others: int) -> bool:
    """Return whether the requests in flight at a replica are given up, and tried elsewhere.

    A replica that says "not ready" drains: it still answers those. If no other one is ready, they
    stay where they are: a silence of all has its cause elsewhere, such as a machine with too much
    work.

    Args:
        before: its readiness.
        after: that after the probe.
        probe: the probe.
        others: how many other replicas of its group are ready.
    """
    return before.ready and not after.ready and probe in ("absent", "silent") and others > 0
