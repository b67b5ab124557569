"""Which replica answers: the number of requests in flight at each one decides.

One router sees all requests, so it takes the replica with the fewest in flight. Several routers see
a part each, and would all run to the same one: for them there is the better of two random choices.
Round robin and random are here to compare with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

PolicyName = Literal["least", "two-choices", "round-robin", "random"]


@dataclass(frozen=True, slots=True)
class Chance:
    """What a choice depends on beside the loads.

    Attributes:
        turn: how many choices were made before.
        first: a uniform random number of [0, 1).
        second: another one.
    """

    turn: int
    first: float
    second: float


Policy = Callable[[Sequence[int], Chance], int]
"""Return the index of a replica, from the requests in flight at each; there is at least one."""


def least_in_flight(loads: Sequence[int], chance: Chance) -> int:
    """Return the replica with the fewest requests in flight; chance decides between equals.

    Without chance the first of the list would get every request of a quiet hour, and a replica that
    has just started would get none.
    """
    fewest = min(loads)
    equals = [index for index, load in enumerate(loads) if load == fewest]
    return equals[int(chance.first * len(equals))]


def two_choices(loads: Sequence[int], chance: Chance) -> int:
    """Return the less loaded of two different replicas that chance names."""
    one = int(chance.first * len(loads))
    if len(loads) == 1:
        return one
    other = int(chance.second * (len(loads) - 1))
    other += other >= one
    return one if loads[one] <= loads[other] else other


def round_robin(loads: Sequence[int], chance: Chance) -> int:
    """Return one replica after the other, whatever their loads."""
    return chance.turn % len(loads)


def at_random(loads: Sequence[int], chance: Chance) -> int:
    """Return any replica, whatever their loads."""
    return int(chance.first * len(loads))


POLICIES: Mapping[PolicyName, Policy] = {
    "least": least_in_flight,
    "two-choices": two_choices,
    "round-robin": round_robin,
    "random": at_random,
}
