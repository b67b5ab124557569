"""Chooses attempts for fault injection, and their faults; the same seed gives the same faults."""

from __future__ import annotations

import random
from dataclasses import dataclass

from driver.plan.tasks import AnyTask
from mapreduce.errors import UsageError
from mapreduce.wire.messages import Fault, FaultKind

KINDS: tuple[FaultKind, ...] = ("kill", "hang", "slow", "error", "corrupt")


DUPLICATE = "duplicate"
KILL: FaultKind = "kill"


SPARED_FROM = 2
"""The first two attempts at a task may go wrong; the third is spared, so that the run ends."""


SLOW_S = (1.5, 4.0)


DURING_S = (0.0, 0.3)


@dataclass(frozen=True, slots=True)
class Chaos:
    """The rate of each kind of fault (0 to 1, at most 1 in all), and the seed."""

    rates: tuple[tuple[str, float], ...]
    seed: int

    def kind(self, task: AnyTask) -> str | None:
        """Return the kind of fault injected into this attempt, if any."""
        if not task.attempt.isdigit() or int(task.attempt) >= SPARED_FROM:
            return None
        drawn = self._chance(task).random()
        for kind, rate in self.rates:
            if drawn < rate:
                return kind
            drawn -= rate
        return None

    def fault(self, kind: str, task: AnyTask) -> Fault | None:
        """Return the fault that the service injects; None for a kind of the driver's."""
        chance = self._chance(task)
        chance.random()
        if kind == "kill":
            when = chance.choice(("before", "during", "after"))
            return Fault(kind="kill", when=when, seconds=chance.uniform(*DURING_S))
        if kind == "slow":
            return Fault(kind="slow", seconds=chance.uniform(*SLOW_S))
        return Fault(kind=kind) if kind in KINDS else None

    def _chance(self, task: AnyTask) -> random.Random:
        return random.Random(f"{self.seed}/{task.stage}/{getattr(task, 'index', 0)}/{task.attempt}")


def parse_chaos(text: str, seed: int) -> Chaos:
    """Return the fault injection for a text such as `kill=0.2,hang=0.05`; raises `UsageError`."""
    known = (*KINDS, DUPLICATE)
    rates: dict[str, float] = {}
    for part in text.split(","):
        kind, _, number = part.partition("=")
        try:
            rates[kind] = float(number)
        except ValueError:
            raise UsageError(f"--chaos {text}: write kind=rate, e.g. kill=0.2,slow=0.1") from None
        if kind not in known:
            raise UsageError(
                f"--chaos {text}: there is no fault {kind!r}; there are: {', '.join(known)}"
            )
        if not 0 <= rates[kind] <= 1:
            raise UsageError(f"--chaos {text}: the rate of {kind} must be from 0 to 1")
    if sum(rates.values()) > 1:
        raise UsageError(f"--chaos {text}: the rates add up to more than 1")
    return Chaos(tuple(rates.items()), seed)
