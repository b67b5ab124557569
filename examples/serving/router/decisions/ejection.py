"""Which replicas get no requests for a while, because their last ones failed.

A replica that answers 500 does so at once, so it always has the fewest in flight: without ejection
it would draw every request. After its time it is on probation: it gets one request at a time, and
one success brings it back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from examples.serving.router.decisions.canary import Group
from examples.serving.router.decisions.retry import Outcome


@dataclass(frozen=True, slots=True)
class EjectionPolicy:
    """When a replica is ejected, and for how long.

    Attributes:
        failures: so many failures in a row eject it.
        refusals: so many refusals (503) in a row eject it; an overloaded replica answers others in
            between, and one without its model refuses all.
        first_s: the time of the first ejection; each further one takes twice as long.
        longest_s: the longest ejection.
        refused_s: the time of an ejection by refusals, which does not grow.
        most_percent: the largest share of the replicas that is ejected; if all fail, the cause is
            elsewhere, and the requests go on.
    """

    failures: int = 3
    refusals: int = 5
    first_s: float = 5.0
    longest_s: float = 60.0
    refused_s: float = 1.0
    most_percent: float = 70.0


EJECTION: Mapping[Group, EjectionPolicy] = {
    "stable": EjectionPolicy(),
    # the stable group answers for a canary that is out as a whole, and no caller waits for a copy
    "canary": EjectionPolicy(most_percent=100.0),
    "shadow": EjectionPolicy(most_percent=100.0),
}


@dataclass(frozen=True, slots=True)
class Record:
    """What the last attempts say of a replica.

    Attributes:
        failures: in a row.
        refusals: in a row.
        ejections: by failures, since its last success.
        until: the end of its ejection.
        probation: whether it has had no success since its last ejection.
    """

    failures: int = 0
    refusals: int = 0
    ejections: int = 0
    until: float = 0.0
    probation: bool = False


def after_attempt(record: Record, outcome: Outcome, now: float, policy: EjectionPolicy) -> Record:
    """Return a replica's record after one more attempt.

    Args:
        record: the record before.
        outcome: the attempt's outcome.
        now: the time, in seconds.
        policy: the limits.
    """
    if outcome == "good":
        # an answer to a request from before the ejection ends it too: the replica works
        return Record()
    if outcome == "refused":
        counted = replace(record, refusals=record.refusals + 1)
        limit_reached = counted.refusals >= policy.refusals
        ejected_s = policy.refused_s
    else:
        counted = replace(record, failures=record.failures + 1)
        limit_reached = counted.failures >= policy.failures
        ejected_s = min(policy.longest_s, policy.first_s * 2.0 ** min(record.ejections, 10))
    if now < record.until or not (limit_reached or record.probation):
        return counted
    ejections = record.ejections + (outcome == "failed")
    return Record(ejections=ejections, until=now + ejected_s, probation=True)


def usable(
    records: Sequence[Record], loads: Sequence[int], now: float, policy: EjectionPolicy
) -> list[int]:
    """Return the indices of the replicas that may get a request; none if all of them may be out.

    Args:
        records: one for each replica.
        loads: the requests in flight at each.
        now: the time, in seconds.
        policy: the limits.
    """
    most = int(len(records) * policy.most_percent / 100)
    out = [index for index, record in enumerate(records) if now < record.until]
    # over the limit those come back whose time ends first
    out = sorted(out, key=lambda index: records[index].until, reverse=True)[:most]
    tested = [
        index
        for index, record in enumerate(records)
        if record.probation and now >= record.until and loads[index] > 0
    ]
    inside = [index for index in range(len(records)) if index not in out]
    free = [index for index in inside if index not in tested]
    return free if free or most == len(records) else inside
