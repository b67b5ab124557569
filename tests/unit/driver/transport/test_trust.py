"""Which endpoints get a request: real servers on loopback, good, wrong, old, silent and plain."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import pytest

from driver.transport import http
from driver.transport.base import NotReached
from driver.transport.endpoint import Endpoint
from driver.transport.http import HttpTransport
from mapreduce.errors import FleetError, TaskLost, Unauthorized
from mapreduce.wire import certificates
from mapreduce.wire.build import this_build
from mapreduce.wire.messages import AttemptId, Done, Failed, Health, MapTask
from services.shell.http.encryption import server_context
from tests.unit.driver.fakes import map_specs, result_of

KEY = "k" * 32
TASK = map_specs([1])[0].message("0")
assert isinstance(TASK, MapTask)
DONE = Done(attempt=AttemptId.of(TASK), result=result_of(TASK), build=this_build())
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/jsonl\r\nconnection: close\r\n\r\n"
HEALTH = Health(ok=True, role="map", slots=1, busy=0, build=this_build(), image_tag="abc")


class _Server:
    """A server on loopback; it keeps all that it receives after the handshake."""

    def __init__(self, context: ssl.SSLContext | None, answer: bytes) -> None:
        self.received = b""
        self._context = context
        self._answer = answer
        self._listening = socket.create_server(("127.0.0.1", 0))
        scheme = "https" if context is not None else "http"
        url = f"{scheme}://127.0.0.1:{self._listening.getsockname()[1]}"
        self.endpoint = Endpoint("mapper-0", url, 1, "mapper")
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the server."""
        self._listening.close()
        self._thread.join(timeout=5)

    def _serve(self) -> None:
        with suppress(OSError):
            connection, _ = self._listening.accept()
            connection.settimeout(5)
            with connection:
                if self._context is not None:
                    connection = self._context.wrap_socket(connection, server_side=True)
                with connection:
                    while b"\r\n\r\n" not in self.received:
                        if not (block := connection.recv(65536)):
                            return
                        self.received += block
                    connection.sendall(self._answer)


@contextmanager
def _server(
    context: ssl.SSLContext | None, answer: bytes = HEAD + DONE.model_dump_json().encode() + b"\n"
) -> Iterator[_Server]:
    made = _Server(context, answer)
    try:
        yield made
    finally:
        made.close()


def _asked(endpoint: Endpoint, key: str = KEY) -> list[object]:
    async def ask() -> list[object]:
        async with HttpTransport(key, 5.0) as transport:
            return [event async for event in transport.run(endpoint, TASK)]

    return asyncio.run(ask())


def _refusal(endpoint: Endpoint) -> str:
    """Return why the only event of an attempt refuses the endpoint, as a 401 does."""
    (event,) = _asked(endpoint)
    assert isinstance(event, Failed)
    assert event.error.cause is Unauthorized
    return event.error.message


def _health(endpoint: Endpoint) -> Health:
    async def ask() -> Health:
        async with HttpTransport(KEY, 5.0) as transport:
            return await transport.health(endpoint)

    return asyncio.run(ask())


def test_a_service_with_the_key_gets_the_request() -> None:
    """An endpoint whose certificate the key proves gets the token and the task, and is answered."""
    with _server(server_context(KEY, "mapper")) as server:
        assert [DONE] == _asked(server.endpoint)
    assert b"authorization: Bearer " in server.received


def test_health_by_tls_names_the_image() -> None:
    """`/health` of a proven service is read, with the tag of its image."""
    body = HEALTH.model_dump_json().encode()
    with _server(server_context(KEY, "mapper"), HEAD + body) as server:
        assert HEALTH == _health(server.endpoint)


def test_a_certificate_of_another_key_is_refused_before_the_request() -> None:
    """A host in between, or another stack, gets no byte of the request; the words name both."""
    with _server(server_context("j" * 32, "mapper")) as server:
        said = _refusal(server.endpoint)
    assert server.received == b""
    assert "mapper-0 at https://127.0.0.1:" in said
    assert "not of this stack's key: it has another signing key, or another host has" in said


def test_a_known_authority_of_the_machine_proves_nothing() -> None:
    """A certificate that only the machine's own authorities would accept is refused too."""
    with pytest.MonkeyPatch.context() as patch:
        other = certificates._authority_key("j" * 32)
        patch.setattr(certificates, "_authority_key", lambda _: other)
        context, pem = server_context(KEY, "mapper"), certificates.authority(KEY)
    trusted = ssl.create_default_context(cadata=pem.decode())
    assert trusted.cert_store_stats()["x509_ca"] > 0
    with _server(context) as server:
        assert "not of this stack's key" in _refusal(server.endpoint)


def test_another_role_is_not_reached() -> None:
    """A service of this stack with another role gets no task: its address was a mapper's before."""
    with (
        _server(server_context(KEY, "reducer")) as server,
        pytest.raises(NotReached, match="a service of this stack that is not a mapper"),
    ):
        _asked(server.endpoint)
    assert server.received == b""


@pytest.mark.parametrize("years", [(1990, 1999), (2200, 2300)])
def test_a_wrong_clock_is_named(years: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that is out of its time says that this machine's clock is wrong."""
    for name, year in zip(("_FROM", "_TO"), years, strict=True):
        monkeypatch.setattr(certificates, name, datetime(year, 1, 1, tzinfo=UTC))
    with _server(server_context(KEY, "mapper")) as server:
        assert "this machine's clock" in _refusal(server.endpoint)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n"])
def test_plain_http_on_the_port_is_named(answer: bytes) -> None:
    """A service without TLS, of an older version, gets a TLS hello only, and the words say so."""
    listening = socket.create_server(("127.0.0.1", 0))
    received: list[bytes] = []

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            received.append(connection.recv(65536))
            connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    url = f"https://127.0.0.1:{listening.getsockname()[1]}"
    said = _refusal(Endpoint("mapper-0", url, 1, "mapper"))
    thread.join(timeout=5)
    listening.close()
    assert "does not answer by TLS; deploy the services again" in said
    assert not any(word in received[0] for word in (b"POST", b"Bearer"))


def test_a_service_that_closes_in_the_handshake_is_not_reached() -> None:
    """A connection that ends during the handshake is one that was not made."""
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: listening.accept()[0].close(), daemon=True)
    thread.start()
    url = f"https://127.0.0.1:{listening.getsockname()[1]}"
    with pytest.raises(NotReached, match="mapper-0 cannot be reached"):
        _asked(Endpoint("mapper-0", url, 1, "mapper"))
    thread.join(timeout=5)
    listening.close()


def test_a_handshake_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that accepts the connection and says nothing is not reached, and the words say it."""
    monkeypatch.setattr(http, "CONNECT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(NotReached, match=r"no TLS handshake, within 0\.2 s"):
            _asked(Endpoint("mapper-0", url, 1, "mapper"))


def test_an_older_tls_is_not_spoken() -> None:
    """A service that knows only TLS 1.2 is not reached, whatever its certificate."""
    context = server_context(KEY, "mapper")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    with _server(context) as server, pytest.raises(NotReached):
        _asked(server.endpoint)
    assert server.received == b""


@pytest.mark.parametrize(
    "url",
    [
        "http://203.0.113.1:8080",
        "http://10.0.0.1:8080",
        "http://mapper:8080",
        "http://127.0.0.1.example.org",
        "http://[2001:db8::1]:8080",
    ],
)
def test_no_request_leaves_this_machine_in_plain_http(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To any address but loopback nothing is sent without TLS, not even `/health`."""
    sent: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda *given: sent.append(given))
    for ask in (_asked, _health):
        with pytest.raises(FleetError, match="it would not be encrypted"):
            ask(Endpoint("mapper-0", url, 1, "mapper"))
    assert sent == []


def test_tls_without_a_role_is_refused() -> None:
    """An endpoint by TLS must name the role that its certificate has to prove."""
    with pytest.raises(FleetError, match="no request is sent to mapper-0"):
        _asked(Endpoint("mapper-0", "https://127.0.0.1:1", 1))


def test_a_recorded_answer_cannot_be_replayed() -> None:
    """The bytes of a whole answer, sent again to the same request, are no handshake: no event comes
    out of them.
    """
    with _server(server_context(KEY, "mapper")) as server:
        recorded = _recorded(server.endpoint)
    assert len(recorded) > 1000
    listening = socket.create_server(("127.0.0.1", 0))

    def replay() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(recorded)
            connection.recv(65536)

    thread = threading.Thread(target=replay, daemon=True)
    thread.start()
    url = f"https://127.0.0.1:{listening.getsockname()[1]}"
    with pytest.raises(NotReached):
        _asked(Endpoint("mapper-0", url, 1, "mapper"))
    thread.join(timeout=5)
    listening.close()


def _recorded(endpoint: Endpoint) -> bytes:
    """Ask through a relay; return the bytes that the service has sent."""
    port = int(endpoint.url.rpartition(":")[2])
    kept: list[bytes] = []
    ended = asyncio.Event()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)

        async def pump() -> None:
            while block := await reader.read(65536):
                back.write(block)
            back.close()

        sending = asyncio.create_task(pump())
        with suppress(ConnectionError):  # the server ends without a farewell
            while block := await there.read(65536):
                kept.append(block)
                writer.write(block)
        writer.close()
        with suppress(ConnectionError):
            await sending
        ended.set()

    async def ask() -> None:
        async with await asyncio.start_server(relay, "127.0.0.1", 0) as listening:
            url = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
            async with HttpTransport(KEY, 5.0) as transport:
                asked = Endpoint("mapper-0", url, 1, "mapper")
                assert [DONE] == [event async for event in transport.run(asked, TASK)]
            await ended.wait()

    asyncio.run(ask())
    return b"".join(kept)


def test_health_of_an_unproven_service_is_no_answer() -> None:
    """`/health` of a service with another key raises the same words as a task."""
    with (
        _server(server_context("j" * 32, "mapper")) as server,
        pytest.raises(TaskLost, match="not of this stack's key"),
    ):
        _health(server.endpoint)
