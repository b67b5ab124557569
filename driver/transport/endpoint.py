"""What a fleet must tell: where the services of a stage are, now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mapreduce.errors import FleetError
from mapreduce.wire.messages import StageName


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One service: a short name for people, its URL, and how many tasks it runs at the same time."""

    name: str
    url: str
    slots: int


class FleetGone(FleetError):
    """The services have ended for good, so that no later look can find any."""


class Fleet(Protocol):
    """The services of a run. It may change while the run goes on."""

    async def endpoints(self, stage: StageName) -> list[Endpoint]:
        """Who can be asked for tasks of a stage now; asked again and again.

        Raises:
            FleetGone: there will be none any more.
            FleetError: that cannot be found out now.
        """

    async def why_gone(self, stage: StageName, names: Sequence[str]) -> dict[str, str]:
        """What is known of why endpoints of those names went."""

    @property
    def refresh_s(self) -> float:
        """Seconds after which it is worth asking again."""
