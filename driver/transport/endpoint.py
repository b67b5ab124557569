"""The interface of a fleet: the endpoints of a stage, now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from mapreduce.errors import FleetError
from mapreduce.wire.messages import StageName

Role = Literal["splitter", "mapper", "reducer"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One service: a short name for people, its URL, its number of slots, and its role.

    A service with an `https` URL proves the role by its certificate.
    """

    name: str
    url: str
    slots: int
    role: Role | None = None


class FleetGone(FleetError):
    """The services have ended for good, so that no later look-up can find any."""


class SignInEnded(FleetError):
    """The credentials of AWS have ended, or are gone; a look-up works again after a sign-in."""


class Fleet(Protocol):
    """The services of a run. It may change during the run."""

    async def endpoints(self, stage: StageName) -> list[Endpoint]:
        """Return the endpoints of a stage now; called again and again.

        Raises:
            FleetGone: there will be none any more.
            SignInEnded: it needs new credentials.
            FleetError: the look-up has failed this time.
        """

    async def why_gone(self, stage: StageName, names: Sequence[str]) -> dict[str, str]:
        """Return the known causes, by name, why endpoints went."""

    async def why_unreached(self, stage: StageName, names: Sequence[str]) -> str:
        """Return why none of the endpoints can be reached from here; "" if it is not certain."""

    @property
    def refresh_s(self) -> float:
        """Seconds between look-ups."""


ROLES: dict[StageName, Role] = {"split": "splitter", "map": "mapper", "reduce": "reducer"}
