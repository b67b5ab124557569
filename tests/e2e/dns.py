"""A DNS server that answers A queries from a table that its caller looks names up in (RFC 1035).

It forwards nothing: a name that the table does not know does not exist. So a container that uses it
resolves the names of Cloud Map and no other.

    with dns.serving(engine.gateway, names.look):
        ...  # the containers' resolver is engine.gateway
"""

from __future__ import annotations

import ipaddress
import socketserver
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from threading import Thread

from tests.e2e.log import CannotRun

PORT = 53
MOST_ADDRESSES = 8
"""Addresses in one answer, as Route 53 gives for a multivalue record."""

A, OPT, ANY = 1, 41, 255
INTERNET = 1
NO_ERROR, FORMAT_ERROR, SERVER_FAILURE, NO_SUCH_NAME, NOT_IMPLEMENTED = 0, 1, 2, 3, 4
RESPONSE, AUTHORITATIVE, RECURSION_DESIRED = 0x8000, 0x0400, 0x0100
LONGEST_NAME, LONGEST_LABEL = 255, 63
HEADER = struct.Struct("!6H")
FIXED = struct.Struct("!HHIH")  # of a record, after its name: type, class, TTL, length of the data
POINTER_TO_QUESTION = 0xC000 | HEADER.size
LARGEST_UDP = 1232


@dataclass(frozen=True, slots=True)
class Addresses:
    """The A records of a name: IPv4 addresses, and the seconds for which they may be kept."""

    addresses: tuple[str, ...]
    ttl_s: int


Look = Callable[[str], Addresses | None]
"""Returns the records of a name in lower case without its last dot, or None for no such name;
raises `CannotLook`."""


class CannotLook(Exception):
    """The table cannot be read now."""


class MalformedQuery(Exception):
    """The bytes are no query of one question."""


@dataclass(frozen=True, slots=True)
class Question:
    """The question of a query: its name, type and class, and its bytes, which the answer repeats.

    `extended` says that the query has an OPT record (EDNS), so that the answer has one too.
    """

    name: str
    kind: int
    family: int
    raw: bytes
    extended: bool


def answered(packet: bytes, look: Look) -> bytes | None:
    """Return the answer to a packet, or None for one that gets none.

    Args:
        packet: bytes as they came.
        look: returns the records of a name.
    """
    if len(packet) < HEADER.size:
        return None
    number, flags, *_ = HEADER.unpack_from(packet)
    if flags & RESPONSE:  # two servers that answer each other's answers would never stop
        return None
    operation = flags >> 11 & 0xF
    if operation:
        return _message(number, flags, NOT_IMPLEMENTED)
    try:
        question = parsed(packet)
    except MalformedQuery:
        return _message(number, flags, FORMAT_ERROR)
    try:
        found = look(question.name) if question.family in (INTERNET, ANY) else None
    except CannotLook:  # the next query may succeed
        return _message(number, flags, SERVER_FAILURE, question)
    if found is None:
        return _message(number, flags, NO_SUCH_NAME, question)
    given = found.addresses[:MOST_ADDRESSES] if question.kind in (A, ANY) else ()
    return _message(number, flags, NO_ERROR, question, Addresses(given, found.ttl_s))


def parsed(packet: bytes) -> Question:
    """Return the question of a query.

    Raises:
        MalformedQuery: it has not exactly one question, or is cut short.
    """
    _, _, questions, answers, authorities, additions = HEADER.unpack_from(packet)
    if questions != 1 or answers or authorities:
        raise MalformedQuery("a query has one question and no answer")
    labels, at = _labels(packet, HEADER.size)
    try:
        kind, family = struct.unpack_from("!2H", packet, at)
        at += 4
        extended = bool(additions) and _first_addition(packet, at) == OPT
    except struct.error as exc:
        raise MalformedQuery("the question is cut short") from exc
    name = b".".join(labels).decode("latin-1").lower()
    return Question(name, kind, family, packet[HEADER.size : at], extended)


@contextmanager
def serving(host: str, look: Look, port: int = PORT) -> Iterator[int]:
    """Answer over UDP and TCP until the end of the block; yield the port.

    Raises:
        CannotRun: the port is in use.
    """
    with ExitStack() as ends:
        try:
            datagrams = ends.enter_context(_Datagrams((host, port), _Datagram))
            number = int(datagrams.server_address[1])
            streams = ends.enter_context(_Streams((host, number), _Stream))
        except OSError as exc:
            raise CannotRun(f"no DNS can be served at {host}:{port}: {exc}") from exc
        for server in (datagrams, streams):
            server.look = look
            thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            ends.callback(thread.join)
            ends.callback(server.shutdown)
        yield number


def _labels(packet: bytes, at: int) -> tuple[list[bytes], int]:
    """Return the labels of a name, and the place after it."""
    labels: list[bytes] = []
    start = at
    while True:
        if at >= len(packet):
            raise MalformedQuery("the name is cut short")
        length = packet[at]
        at += 1
        if length == 0:
            return labels, at
        if length > LONGEST_LABEL:  # a pointer: there is nothing before a question to point at
            raise MalformedQuery("the name is compressed")
        if at + length > len(packet) or at + length - start >= LONGEST_NAME:
            raise MalformedQuery("the name is cut short, or too long")
        labels.append(packet[at : at + length])
        at += length


def _first_addition(packet: bytes, at: int) -> int:
    """Return the type of the first additional record."""
    _, at = _labels(packet, at)
    kind, *_ = FIXED.unpack_from(packet, at)
    return int(kind)


def _message(
    number: int,
    flags: int,
    code: int,
    question: Question | None = None,
    found: Addresses | None = None,
) -> bytes:
    """Return the bytes of an answer."""
    given = found or Addresses((), 0)
    repeated = flags & (0xF << 11 | RECURSION_DESIRED)
    additions = int(question is not None and question.extended)
    header = HEADER.pack(
        number,
        RESPONSE | AUTHORITATIVE | repeated | code,
        int(question is not None),
        len(given.addresses),
        0,
        additions,
    )
    records = b"".join(
        struct.pack("!H", POINTER_TO_QUESTION)
        + FIXED.pack(A, INTERNET, given.ttl_s, 4)
        + ipaddress.IPv4Address(address).packed
        for address in given.addresses
    )
    extension = b"\0" + FIXED.pack(OPT, LARGEST_UDP, 0, 0) if additions else b""
    return header + (question.raw if question else b"") + records + extension


class _Datagrams(socketserver.ThreadingUDPServer):
    daemon_threads = True
    look: Look


class _Streams(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    look: Look


class _Datagram(socketserver.BaseRequestHandler):
    server: _Datagrams

    def handle(self) -> None:
        packet, endpoint = self.request
        if answer := answered(packet, self.server.look):
            endpoint.sendto(answer, self.client_address)


class _Stream(socketserver.StreamRequestHandler):
    server: _Streams
    timeout = 10.0

    def handle(self) -> None:
        """Answer queries, each after its length in two bytes, until the client closes or waits."""
        with suppress(OSError):
            while len(prefix := self.rfile.read(2)) == 2:
                answer = answered(self.rfile.read(int.from_bytes(prefix)), self.server.look)
                if answer is None:
                    return
                self.wfile.write(len(answer).to_bytes(2) + answer)
