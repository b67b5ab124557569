"""Which connections a service accepts, and which it closes for others."""

from __future__ import annotations

import errno
import os
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.shell.http.admission import (
    BURST,
    CONNECTIONS,
    FEWEST,
    HEALTH_CONNECTIONS,
    LOCAL,
    RESERVED_FILES,
    Admission,
    Gate,
    Guest,
    Limits,
    Standing,
    place_for,
)

LIMITS = Limits(total=4, each=3)
STANDINGS: tuple[Standing, ...] = ("stranger", "known", "busy")


@given(st.integers(1, 500), st.integers(64, 1 << 20))
def test_limits_leave_descriptors(slots: int, files: int) -> None:
    """Connections leave descriptors for the process, if it has enough; no address may have all."""
    limits = Limits.of(slots, files)
    assert FEWEST <= limits.total <= CONNECTIONS + slots
    assert limits.each < limits.total
    assert limits.total == FEWEST or limits.total + RESERVED_FILES <= files


def test_a_new_connection_replaces_a_stranger() -> None:
    """A new connection replaces a stranger first, then a known caller, and never a busy one."""
    guests = [Guest("a", "busy"), Guest("b", "known"), Guest("c", "stranger"), Guest("d", "busy")]
    assert 2 == place_for("e", guests, LIMITS)
    assert 1 == place_for("e", [*guests[:2], Guest("c", "busy"), guests[3]], LIMITS)
    assert "none" == place_for("e", [Guest("a", "busy")] * 4, LIMITS)
    assert "free" == place_for("e", guests[:3], LIMITS)


def test_an_address_with_many_pays_for_its_own() -> None:
    """An address at its limit loses its oldest connection; else the address with the most loses
    one.
    """
    assert 0 == place_for("a", [Guest("a", "stranger")] * 3, LIMITS)
    crowd = [Guest("b", "stranger"), *[Guest("a", "stranger")] * 3]
    assert 1 == place_for("c", crowd, LIMITS)
    assert "none" == place_for("a", [Guest("a", "busy")] * 3, LIMITS)


def test_the_health_check_has_separate_places() -> None:
    """The health check has separate places: it and the other callers cannot take each other's."""
    full = [Guest(str(number), "busy") for number in range(4)]
    local = [Guest(LOCAL, "stranger")] * HEALTH_CONNECTIONS
    assert "free" == place_for(LOCAL, full, LIMITS)
    assert "free" == place_for("a", [*local, *full[:3]], LIMITS)
    assert 4 == place_for(LOCAL, [*full, *local], LIMITS)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(STANDINGS)), max_size=60))
def test_no_history_exceeds_the_limits(arrivals: list[tuple[str, Standing]]) -> None:
    """After any arrivals the limits hold, and no busy connection was closed."""
    guests: list[Guest] = []
    for address, standing in arrivals:
        place = place_for(address, guests, LIMITS)
        if isinstance(place, int):
            assert guests.pop(place).standing != "busy"
        if place != "none":
            guests.append(Guest(address, standing))
        assert len(guests) <= LIMITS.total
        assert max(Counter(guest.address for guest in guests).values(), default=0) <= LIMITS.each


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate on loopback of a service with few places."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    with Gate(listening, Admission(LIMITS)) as made:
        made.setblocking(False)
        yield made


def _accepted(gate: Gate) -> list[socket.socket]:
    """Return all connections that one turn of an event loop accepts."""
    found = []
    while True:
        try:
            found.append(gate.accept()[0])
        except BlockingIOError:
            return found


@dataclass
class _Caller:
    """A fake protocol object."""

    standing: Standing
    dropped: int = 0

    def drop(self) -> None:
        """Count the call."""
        self.dropped += 1


def test_a_refused_connection_is_closed(gate: Gate) -> None:
    """A connection that is not admitted is closed at once, and a freed place is used again."""
    callers = [socket.create_connection(gate.getsockname()) for _ in range(3)]
    accepted = _accepted(gate)
    for each in accepted:
        gate.admission.introduce(each.fileno(), _Caller("busy"))
    callers += [socket.create_connection(gate.getsockname()) for _ in range(2)]
    assert [] == _accepted(gate)
    callers[-1].settimeout(5)
    assert callers[-1].recv(1) == b""
    accepted.pop().close()
    callers.append(socket.create_connection(gate.getsockname()))
    accepted += _accepted(gate)
    assert LIMITS.each == len(accepted)
    for each in (*callers, *accepted):
        each.close()


def test_one_turn_accepts_so_many_and_no_more(gate: Gate) -> None:
    """One turn of the loop accepts a limited number, because closed connections are freed only in
    the next.
    """
    callers = [socket.create_connection(gate.getsockname()) for _ in range(BURST + 5)]
    first = _accepted(gate)
    assert len(first) == BURST
    waiting = sum(1 for caller in callers if not _is_closed(caller))
    assert waiting == LIMITS.each + 5
    second = _accepted(gate)
    assert sum(1 for caller in callers if not _is_closed(caller)) == LIMITS.each
    for each in (*callers, *first, *second):
        each.close()


def test_a_connection_in_its_handshake_gives_way(gate: Gate) -> None:
    """A connection without a protocol object yet, as during a TLS handshake, loses its place; one
    with a protocol object is closed by that.
    """
    callers = [socket.create_connection(gate.getsockname()) for _ in range(3)]
    accepted = _accepted(gate)
    caller = _Caller("stranger")
    gate.admission.introduce(accepted[1].fileno(), caller)
    callers += [socket.create_connection(gate.getsockname()) for _ in range(2)]
    accepted += _accepted(gate)
    assert (5, 1) == (len(accepted), caller.dropped)
    assert [True, False, False, False, False] == [_is_closed(each) for each in callers]
    assert accepted[0].recv(1) == b""  # so the event loop closes it
    for each in (*callers, *accepted):
        each.close()


def _is_closed(caller: socket.socket) -> bool:
    try:
        return caller.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False


def test_without_a_descriptor_a_caller_is_closed_with_the_spare_one(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a free descriptor a spare one accepts and closes a caller; without a spare one
    asyncio pauses.
    """
    real, failing = socket.socket.accept, [1]

    def accept(self: socket.socket) -> tuple[socket.socket, object]:
        failing[0] -= 1
        if failing[0] >= 0:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(self)

    monkeypatch.setattr(socket.socket, "accept", accept)
    callers = [socket.create_connection(gate.getsockname()) for _ in range(2)]
    accepted = _accepted(gate)
    assert [True, False] == [_is_closed(caller) for caller in callers]
    assert 1 == len(accepted)
    failing[0] = 1 << 30
    monkeypatch.setattr(os, "open", _no_descriptor)
    with pytest.raises(OSError, match="Too many open files"):
        gate.accept()
    with pytest.raises(BlockingIOError):
        gate.accept()
    for each in (*callers, *accepted):
        each.close()


def _no_descriptor(*_: object) -> int:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
