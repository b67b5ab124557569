"""Decide which connections a service keeps, and close those beyond the limit when they are
accepted.

Clients without the key must not keep out those with it. So there is a limit for all connections and
one for each source address, and a new connection replaces one that has shown no token. A connection
with a signed request in progress is never closed in favour of another. The health check has its own
listener and limit.
"""

from __future__ import annotations

import errno
import os
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import structlog

CONNECTIONS = 256
"""Connections besides those of the running tasks."""
HEALTH_CONNECTIONS = 8
"""Connections of the health check's listener, which do not count towards the others."""
FEWEST = 8
BURST = 32
"""Connections accepted in one turn of the event loop; those they replace are closed a turn later.
"""
RESERVED_FILES = 64 + 2 * BURST
"""Descriptors that connections never use: for listeners, workers, and the event loop itself."""
FILES_PER_SLOT = 4
ACCEPT_PAUSE_S = 0.9
"""A little less than asyncio's pause after an error of `accept` (ACCEPT_RETRY_DELAY)."""
LOCAL = ""
"""The address of a client on a Unix socket."""
_NO_FILES = (errno.EMFILE, errno.ENFILE)
_NO_MEMORY = (errno.ENOMEM, errno.ENOBUFS)

Standing = Literal["stranger", "known", "busy"]
"""A connection's standing: no token yet; a valid one earlier, idle now; a signed request in
progress.
"""
log = structlog.get_logger("services.connections")


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits on connections.

    Attributes:
        total: over TCP.
        each: from one source address.
    """

    total: int
    each: int

    @classmethod
    def of(cls, slots: int, files: int) -> Limits:
        """Return the limits of a service with these slots, in a process with this limit on open
        files.
        """
        available = files - RESERVED_FILES - FILES_PER_SLOT * slots
        total = max(FEWEST, min(CONNECTIONS + slots, available))
        return cls(total, total * 3 // 4)


@dataclass(frozen=True, slots=True)
class Guest:
    """A connection as the decision sees it.

    Attributes:
        address: its source address.
        standing: whether its client has shown a token.
    """

    address: str
    standing: Standing


def place_for(
    address: str, guests: Iterable[Guest], limits: Limits
) -> int | Literal["free", "none"]:
    """Decide whether a new connection is kept, and which one it replaces.

    Args:
        address: its source address.
        guests: the open connections, oldest first.
        limits: the limits.

    Returns:
        "free" if the limits allow one more, "none" if it must be closed, or the index of the
            connection to close for it: preferably one without a token, of the address with the most
            connections, the oldest of those.
    """
    seated = [
        (number, guest)
        for number, guest in enumerate(guests)
        if (guest.address == LOCAL) == (address == LOCAL)
    ]
    counts = Counter(guest.address for _, guest in seated)
    limit, each = limits.total, limits.each
    if address == LOCAL:
        limit = each = HEALTH_CONNECTIONS
    if counts[address] >= each:
        seated = [(number, guest) for number, guest in seated if guest.address == address]
    elif len(seated) < limit:
        return "free"
    # strangers first, then the address with the most connections, then age; busy ones are never
    # closed
    ranked = sorted(
        (guest.standing != "stranger", -counts[guest.address], number)
        for number, guest in seated
        if guest.standing != "busy"
    )
    return ranked[0][2] if ranked else "none"


class Caller(Protocol):
    """The protocol object of an accepted connection."""

    @property
    def standing(self) -> Standing:
        """Whether its client has shown a token."""

    def drop(self) -> None:
        """Close the connection at once and discard unsent bytes."""


class Connection(socket.socket):
    """An accepted socket that reports its close."""

    address: str = LOCAL
    caller: Caller | None = None
    closed: Callable[[Connection], None] | None = None

    def drop(self) -> None:
        """End the connection, also one in its TLS handshake, which has no protocol object yet.

        The event loop then reads the end of the connection, and closes it.
        """
        if self.caller is not None:
            self.caller.drop()
            return
        with suppress(OSError):  # the client has closed it
            self.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket, and free its place."""
        super().close()
        closed, self.closed = self.closed, None
        if closed is not None:
            closed(self)


class Admission:
    """The open connections of a service.

    Args:
        limits: the limits.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open: dict[Connection, None] = {}  # a dict as an ordered set, oldest first
        self._leaving: set[Connection] = set()

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: Connection) -> bool:
        """Register a connection, and close the one it replaces; return False if it must be closed
        itself.
        """
        present = [each for each in self._open if each not in self._leaving]
        place = place_for(
            connection.address,
            (Guest(each.address, _standing(each)) for each in present),
            self.limits,
        )
        if place == "none":
            return False
        if isinstance(place, int):
            # it stays in `_open` until its close is reported, but no longer counts
            self._leaving.add(present[place])
            present[place].drop()
        self._open[connection] = None
        connection.closed = self._forget
        return True

    def introduce(self, file: int, caller: Caller) -> None:
        """Assign the protocol object of an accepted connection, by its descriptor."""
        for connection in self._open:
            if connection.fileno() == file:
                connection.caller = caller

    def _forget(self, connection: Connection) -> None:
        self._open.pop(connection, None)
        self._leaving.discard(connection)
        connection.caller = None


def _standing(connection: Connection) -> Standing:
    return "stranger" if connection.caller is None else connection.caller.standing


class Gate(socket.socket):
    """A listening socket that accepts what an `Admission` admits, also when descriptors run out.

    Args:
        listening: a listening socket, which this one replaces.
        admission: decides.

    Attributes:
        admission: the same.
    """

    def __init__(self, listening: socket.socket, admission: Admission) -> None:
        super().__init__(
            listening.family, listening.type, listening.proto, fileno=listening.detach()
        )
        self.admission = admission
        self._accepted = 0
        self._paused_until = 0.0
        # a spare descriptor: freed to accept and close one connection when descriptors run out
        self._spare: int | None = os.open(os.devnull, os.O_RDONLY)

    def accept(self) -> tuple[socket.socket, Any]:
        """Return the next admitted connection; close those that are not.

        Raises:
            BlockingIOError: there is none now, or this turn of the event loop has accepted enough.
            OSError: the system is out of memory; asyncio pauses, and calls again.
        """
        while True:
            if self._accepted >= BURST:
                self._accepted = 0
                raise BlockingIOError(errno.EAGAIN, "enough for one turn")
            try:
                accepted, address = super().accept()
            except OSError as exc:
                self._accepted = 0
                if exc.errno in _NO_FILES + _NO_MEMORY:
                    self._relieve(exc)
                    continue
                raise
            self._accepted += 1
            connection = Connection(
                accepted.family, accepted.type, accepted.proto, fileno=accepted.detach()
            )
            connection.address = LOCAL if self.family == socket.AF_UNIX else str(address[0])
            if self.admission.admit(connection):
                return connection, address
            connection.close()

    def close(self) -> None:
        """Close the listener."""
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
        super().close()

    def _relieve(self, exc: OSError) -> None:
        """Accept one connection with the spare descriptor, and close it; without a spare, pause.

        A connection that is not accepted would wake the event loop again and again.
        """
        log.warning(
            "a connection was refused: the system has no descriptor or memory for it",
            error=str(exc),
        )
        if exc.errno in _NO_FILES and self._spare is not None:
            os.close(self._spare)
            self._spare = None
            with suppress(OSError):
                super().accept()[0].close()
            if self._keep_spare():
                self._accepted += 1
                return
        if time.monotonic() < self._paused_until:
            raise BlockingIOError(errno.EAGAIN, "paused")
        self._paused_until = time.monotonic() + ACCEPT_PAUSE_S
        self._keep_spare()
        raise exc

    def _keep_spare(self) -> bool:
        """Open the spare descriptor if possible; return whether there is one."""
        if self._spare is None:
            with suppress(OSError):
                self._spare = os.open(os.devnull, os.O_RDONLY)
        return self._spare is not None


def file_limit() -> int:
    """Return how many files this process may have open."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 1 << 20 if limit == resource.RLIM_INFINITY else limit
