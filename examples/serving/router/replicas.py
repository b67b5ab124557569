"""The replicas that the router knows, in groups, and what it knows of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from examples.serving.router.connections import Address, Connections, Trust
from examples.serving.router.decisions.canary import Group
from examples.serving.router.decisions.ejection import Record
from examples.serving.router.decisions.readiness import Readiness


class Replica:
    """One replica: its connections, and what the router knows of it.

    Args:
        group: its group.
        address: where it listens.
        trust: how it proves who it is.
        connect_s: how long a connection may take.

    Attributes:
        in_flight: the requests that it has now.
        readiness: what its probes say.
        record: what its last answers say.
        connections: for requests.
        probes: for probes, which do not share the requests' fate.
    """

    def __init__(
        self, group: Group, address: Address, trust: Trust | None, connect_s: float
    ) -> None:
        self.group = group
        self.address = address
        self.in_flight = 0
        self.readiness = Readiness()
        self.record = Record()
        self.connections = Connections(address, trust, connect_s)
        self.probes = Connections(address, trust, connect_s)

    def retire(self) -> None:
        """Let it finish what it has; it gets nothing more."""
        self.connections.retire()
        self.probes.retire()


class Replicas:
    """All replicas, by group and address.

    Args:
        trust: how each proves who it is; None for plain HTTP.
        connect_s: how long a connection may take.
    """

    def __init__(self, trust: Trust | None, connect_s: float) -> None:
        self._trust = trust
        self._connect_s = connect_s
        self._known: dict[tuple[Group, Address], Replica] = {}

    def __iter__(self) -> Iterator[Replica]:
        return iter(list(self._known.values()))

    def update(self, group: Group, addresses: Iterable[Address]) -> list[Replica]:
        """Make the addresses those of a group; return the new replicas.

        One that is no longer named gets no more requests, and answers those in flight.
        """
        wanted = set(addresses)
        for key in [key for key in self._known if key[0] == group and key[1] not in wanted]:
            self._known.pop(key).retire()
        added = []
        for address in sorted(wanted, key=str):
            if (group, address) not in self._known:
                replica = Replica(group, address, self._trust, self._connect_s)
                self._known[group, address] = replica
                added.append(replica)
        return added

    def ready(self, group: Group) -> list[Replica]:
        """Return the replicas of a group that get requests: the ready ones, else silent ones."""
        known = [each for each in self._known.values() if each.group == group]
        return [each for each in known if each.readiness.ready] or [
            each for each in known if each.readiness.suspect
        ]

    def close(self) -> None:
        """Close every connection."""
        for replica in self._known.values():
            replica.connections.abort()
            replica.probes.abort()
