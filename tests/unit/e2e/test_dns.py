"""The DNS server of `make e2e`, by packets that are written and read here without its code."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.e2e import dns
from tests.e2e.dns import Addresses, CannotLook

# what a resolver sends for the A records of parameter-server.train.local, byte by byte: number,
# flags (recursion desired), one question, no records; labels; type A, class IN
QUERY = bytes.fromhex(
    "beef 0100 0001 0000 0000 0000"
    "10 706172616d657465722d736572766572 05 747261696e 05 6c6f63616c 00"
    "0001 0001"
)
# number, flags (response, authoritative, recursion desired), one question, one answer; the
# question; a pointer to byte 12, type A, class IN, 10 s, 4 bytes, 10.20.0.7
ANSWER = bytes.fromhex(
    "beef 8500 0001 0001 0000 0000"
    "10 706172616d657465722d736572766572 05 747261696e 05 6c6f63616c 00"
    "0001 0001"
    "c00c 0001 0001 0000000a 0004 0a140007"
)
TABLE = {
    "parameter-server.train.local": Addresses(("10.20.0.7",), 10),
    "many.train.local": Addresses(tuple(f"10.20.1.{n}" for n in range(11)), 10),
}
OPT_RECORD = bytes.fromhex("00 0029 1000 00000000 0000")
NAME_ERROR, NOT_IMPLEMENTED, FORMAT_ERROR, SERVER_FAILURE = 3, 4, 1, 2
AAAA, TEXT = 28, 16


def _query(name: str, kind: int = 1, family: int = 1, additions: bytes = b"") -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    header = struct.pack("!6H", 7, 0x0100, 1, 0, 0, int(bool(additions)))
    return header + labels + b"\0" + struct.pack("!2H", kind, family) + additions


def _answered(packet: bytes) -> bytes:
    answer = dns.answered(packet, TABLE.get)
    assert answer is not None
    return answer


def _code(packet: bytes) -> int:
    return _answered(packet)[3] & 0xF


def test_an_answer_is_these_bytes() -> None:
    """The answer to a known query has the bytes that RFC 1035 says."""
    assert ANSWER == _answered(QUERY)


def test_an_unknown_name_does_not_exist() -> None:
    """A name that the table lacks gets the code of a name that does not exist, and no record."""
    answer = _answered(_query("other.train.local"))
    assert NAME_ERROR == answer[3] & 0xF
    assert (1, 0, 0, 0) == struct.unpack_from("!4H", answer, 4)


@pytest.mark.parametrize("kind", [AAAA, TEXT])
def test_a_name_without_records_of_a_type_exists(kind: int) -> None:
    """Another type of a known name gets no record and no error: a resolver asks for AAAA too, and
    an error there would hide the A records.
    """
    answer = _answered(_query("parameter-server.train.local", kind))
    assert 0 == answer[3] & 0xF
    assert (1, 0, 0, 0) == struct.unpack_from("!4H", answer, 4)


def test_another_class_knows_no_name() -> None:
    """The table is of the internet: a question of another class finds nothing."""
    assert NAME_ERROR == _code(_query("parameter-server.train.local", family=3))


def test_case_does_not_matter_and_is_repeated() -> None:
    """A name is found in any case, and the question comes back as it was sent."""
    packet = _query("Parameter-SERVER.train.LOCAL")
    answer = _answered(packet)
    assert packet[12:] == answer[12 : len(packet)]
    assert bytes([10, 20, 0, 7]) == answer[-4:]


def test_at_most_eight_addresses() -> None:
    """An answer names at most eight addresses, and so fits in a datagram."""
    answer = _answered(_query("many.train.local"))
    assert (8,) == struct.unpack_from("!H", answer, 6)
    assert 512 > len(answer)


def test_a_query_with_edns_is_answered_with_it() -> None:
    """An OPT record in the query brings one in the answer."""
    answer = _answered(_query("many.train.local", additions=OPT_RECORD))
    assert (1,) == struct.unpack_from("!H", answer, 10)
    assert bytes.fromhex("00 0029 04d0 00000000 0000") == answer[-11:]


def test_another_operation_is_not_implemented() -> None:
    """An update, say, is refused with the code for it."""
    packet = bytearray(QUERY)
    packet[2] |= 5 << 3
    assert NOT_IMPLEMENTED == _code(bytes(packet))


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(QUERY[:-1], id="cut in the class"),
        pytest.param(QUERY[:20], id="cut in a label"),
        pytest.param(QUERY[:12], id="no question"),
        pytest.param(QUERY[:12] + b"\xc0\x0c\0\1\0\1", id="a name that points at itself"),
        pytest.param(QUERY[:5] + b"\2" + QUERY[6:], id="two questions"),
        pytest.param(QUERY[:7] + b"\1" + QUERY[8:], id="an answer in a query"),
        pytest.param(QUERY[:12] + b"\x3f" + b"a" * 63 * 5, id="a label without an end"),
        pytest.param(QUERY[:12] + (b"\x3f" + b"a" * 63) * 5 + b"\0\0\1\0\1", id="a long name"),
        pytest.param(QUERY[:11] + b"\1" + QUERY[12:] + b"\0", id="cut in the OPT record"),
    ],
)
def test_a_malformed_query_is_said(packet: bytes) -> None:
    """A query that cannot be read gets the code of a format error, with its number."""
    answer = _answered(packet)
    assert FORMAT_ERROR == answer[3] & 0xF
    assert packet[:2] == answer[:2]


@pytest.mark.parametrize("packet", [b"", QUERY[:11], ANSWER])
def test_what_is_no_query_gets_no_answer(packet: bytes) -> None:
    """A packet without a whole header, and an answer, get none: two servers would never stop."""
    assert dns.answered(packet, TABLE.get) is None


def test_a_table_that_cannot_be_read_is_a_failure_of_the_server() -> None:
    """A resolver then asks again, while it would believe that a name does not exist."""

    def look(name: str) -> Addresses | None:
        raise CannotLook(name)

    answer = dns.answered(QUERY, look)
    assert answer is not None
    assert SERVER_FAILURE == answer[3] & 0xF


@given(st.binary(max_size=600))
def test_no_bytes_break_it(packet: bytes) -> None:
    """Any bytes get no answer, or one with the same number that is a response."""
    for each in (packet, QUERY[:12] + packet, QUERY[:11] + b"\1" + QUERY[12:] + packet):
        answer = dns.answered(each, TABLE.get)
        if answer is not None:
            assert each[:2] == answer[:2]
            assert answer[2] & 0x80


def test_over_sockets() -> None:
    """The same bytes come over UDP and over TCP, there after their length."""
    with dns.serving("127.0.0.1", TABLE.get, port=0) as port:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.settimeout(10)
            datagrams.sendto(QUERY, ("127.0.0.1", port))
            assert ANSWER == datagrams.recv(2000)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as stream:
            for _ in range(2):
                stream.sendall(struct.pack("!H", len(QUERY)) + QUERY)
                with stream.makefile("rb") as file:
                    assert ANSWER == file.read(2 + len(ANSWER))[2:]
