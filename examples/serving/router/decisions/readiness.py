"""Whether a replica is ready, from the answers to the router's probes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Probe = Literal["ready", "not ready", "absent", "silent"]
"""The answer to a probe: 200, another status, no connection, or none in time."""
SILENCES = 2
"""Probes in a row without an answer in time that make a replica unready: one may be bad luck."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the last probes say of a replica.

    Attributes:
        ready: whether it gets requests.
        silences: probes in a row without an answer in time.
    """

    ready: bool = False
    silences: int = 0


def after_probe(before: Readiness, probe: Probe) -> Readiness:
    """Return a replica's readiness after one more probe.

    A clear answer counts at once: one "ready" brings it in, and one "not ready" or a refused
    connection takes it out, since it stops or starts.
    """
    if probe == "ready":
        return Readiness(ready=True)
    if probe == "silent":
        silences = before.silences + 1
        return Readiness(ready=before.ready and silences < SILENCES, silences=silences)
    return Readiness()


def is_lost(before: Readiness, after: Readiness, probe: Probe) -> bool:
    """Return whether the requests in flight at a replica will get no answer.

    A replica that says "not ready" drains: it still answers those.
    """
    return before.ready and not after.ready and probe in ("absent", "silent")
