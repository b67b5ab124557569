"""The faults of a simulated run, and when they end: chosen by one seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Literal

Mood = Literal["calm", "harmless", "stormy"]


@dataclass(frozen=True, slots=True)
class Weather:
    """A run's shape and its faults. Rates are chances for each attempt, look-up, operation or
    second.

    Attributes:
        mood: calm: no faults; harmless: only faults that may not end a run; stormy: all faults.
        maps: the number of map tasks; likewise `partitions` for reduce tasks, `endpoints` for each
            stage, and `slots` for each endpoint.
        until_s: the end of the last fault.
    """

    mood: Mood
    maps: int
    partitions: int
    endpoints: int
    slots: int
    vouching: bool
    until_s: float
    rates: dict[str, float] = field(default_factory=dict)

    def rate(self, name: str, now: float) -> float:
        """Return the chance of a fault at this time; it is 0 after the last fault."""
        return self.rates.get(name, 0.0) if now < self.until_s else 0.0


HARMLESS: dict[str, tuple[float, ...]] = {
    "look-fails": (0, 0.3, 0.6),
    "look-hangs": (0, 0, 0.02),
    "why-gone-fails": (0, 0.5, 1),
    "why-unreached-fails": (0, 0.5, 1),
    "flap": (0, 0, 0.1),
    "late-503": (0, 0.1, 0.4),
    "odd-retry-after": (0, 0.2, 1),
    "refused": (0, 0.1, 0.3),
    "one-401": (0, 0, 1),
    "pause": (0, 0, 0.01),
    "sleep": (0, 0, 0.01),
    "slow": (0, 0.05, 0.2),
}
"""The faults that may never end a run, with their possible rates."""

STORMY: dict[str, tuple[float, ...]] = HARMLESS | {
    "look-fails": (0, 0.3, 0.95),
    "look-hangs": (0, 0, 0.1),
    "odd-exception": (0, 0.02, 0.1),
    "silence": (0, 0.02, 0.1),
    "trickle": (0, 0, 0.05),
    "flood": (0, 0, 0.03),
    "stall": (0, 0, 0.02),
    "other-task": (0, 0, 0.05),
    "cut": (0, 0.01, 0.05),
    "answer-lost": (0, 0.02, 0.1),
    "task-fails": (0, 0.05, 0.15),
    "all-401": (0, 0, 0, 0.3),
    "late-write": (0, 0.3, 1),
    "rot": (0, 0, 0.01),
    "vanish": (0, 0, 0.01),
    "store-fails": (0, 0, 0.01),
    "store-loses-answer": (0, 0, 0.01),
    "gone-for-good": (0, 0, 0, 0.002),
}


def drawn(seed: int) -> Weather:
    """Return the weather of a seed."""
    chance = random.Random(seed)
    mood: Mood = chance.choices(("calm", "harmless", "stormy"), weights=(1, 4, 10))[0]
    table = {"calm": {}, "harmless": HARMLESS, "stormy": STORMY}[mood]
    return Weather(
        mood=mood,
        maps=chance.randint(1, 30),
        partitions=chance.randint(1, 6),
        endpoints=chance.randint(1, 5),
        slots=chance.randint(1, 3),
        vouching=chance.random() < 0.5,
        until_s=chance.uniform(30, 1500),
        rates={name: chance.choice(rates) for name, rates in table.items()},
    )
