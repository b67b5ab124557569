"""The health check's exit code, with fake connections."""

from __future__ import annotations

import http.client
import io
import os
import socket
import struct
from types import SimpleNamespace
from typing import Any

import pytest

from services import healthcheck
from services.healthcheck import _LocalConnection, address, main


class _Connection:
    """Answers as its class says."""

    asked: list[str]
    status = 200
    body = b'{"ok": true}'
    raises: type[Exception] | None = None

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self.asked.append(f"{type(self).__name__} {port}")

    def request(self, method: str, path: str) -> None:
        """Connect and send."""
        assert ("GET", "/health") == (method, path)
        if self.raises:
            raise self.raises("no")

    def getresponse(self) -> Any:
        """Return status and body."""
        answer = io.BytesIO(self.body)
        return SimpleNamespace(status=self.status, read=answer.read)

    def close(self) -> None:
        """Record it."""
        self.asked.append("closed")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The connections, first the local one, then TCP's."""
    calls: list[str] = []

    class Local(_Connection):
        asked = calls

    class Tcp(_Connection):
        asked = calls

    monkeypatch.setattr(healthcheck, "_LocalConnection", Local)
    monkeypatch.setattr(http.client, "HTTPConnection", Tcp)
    monkeypatch.setenv("MAPREDUCE_PORT", "81")
    return calls


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 0),
        ({"status": 503}, 1),
        ({"body": b'{"ok": false}'}, 1),
        ({"body": b"{}"}, 1),
        ({"body": b"no JSON"}, 1),
        ({"raises": TimeoutError}, 1),
        ({"raises": http.client.BadStatusLine}, 1),
    ],
)
def test_the_answer_of_the_service_counts(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], code: int
) -> None:
    """The answer on the service's own socket sets the exit code, and TCP is not used."""
    for name, value in changes.items():
        monkeypatch.setattr(healthcheck._LocalConnection, name, value)
    assert code == main()
    assert ["Local 81", "closed"] == asked


def test_without_a_socket_it_asks_over_tcp(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without that socket TCP is used, and without a listener the exit code is 1."""
    monkeypatch.setattr(healthcheck._LocalConnection, "raises", ConnectionRefusedError)
    assert 0 == main()
    monkeypatch.setattr(http.client.HTTPConnection, "raises", ConnectionRefusedError)
    assert 1 == main()
    assert ["Local 81", "closed", "Tcp 81", "closed"] * 2 == asked


def test_elsewhere_than_on_linux_it_asks_over_tcp_at_once(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On other systems than Linux only TCP is used, because they have no such sockets."""
    monkeypatch.setattr("sys.platform", "darwin")
    assert 0 == main()
    assert ["Tcp 81", "closed"] == asked


@pytest.mark.parametrize("mine", [True, False])
def test_a_socket_of_another_user_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, *, mine: bool
) -> None:
    """A socket of another user is refused, because any process could have taken the name."""
    uid = os.geteuid() if mine else os.geteuid() + 1
    connected: list[str] = []

    class _Socket:
        def __init__(self, *_: object) -> None:
            pass

        def settimeout(self, _: float) -> None:
            pass

        def connect(self, name: str) -> None:
            connected.append(name)

        def getsockopt(self, *_: object) -> bytes:
            return struct.pack("3i", 1, uid, 0)

    monkeypatch.setattr(socket, "socket", _Socket)
    connection = _LocalConnection("127.0.0.1", 81)
    if mine:
        connection.connect()
    else:
        with pytest.raises(ConnectionRefusedError, match="belongs to user"):
            connection.connect()
    assert [address(81)] == connected
