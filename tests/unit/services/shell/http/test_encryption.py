"""The TLS settings of a service, with a real handshake and without a network."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest

from mapreduce.wire.certificates import authority, host_name
from services.shell.http.encryption import server_context

KEY = "k" * 32


def _client_context(key: str = KEY) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=authority(key).decode())
    return context


def _shaken(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """Carry out a handshake in memory; return the client's side."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(back, there, server_hostname=name)
    theirs = server.wrap_bio(there, back, server_side=True)
    waiting = [ours, theirs]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                continue
    assert waiting == []
    return ours


def test_a_client_with_the_key_accepts_the_certificate() -> None:
    """A client that derives the authority from the same key completes a TLS 1.3 handshake."""
    shaken = _shaken(server_context(KEY, "mapper"), _client_context(), host_name("mapper"))
    assert "TLSv1.3" == shaken.version()


def test_older_versions_are_refused() -> None:
    """A client that knows only TLS 1.2 gets no connection."""
    client = _client_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        _shaken(server_context(KEY, "mapper"), client, host_name("mapper"))


def test_each_start_makes_another_certificate() -> None:
    """Two starts of a service of one role have two certificates."""
    client = _client_context()
    shown = {
        _shaken(server_context(KEY, "mapper"), client, host_name("mapper")).getpeercert(
            binary_form=True
        )
        for _ in range(2)
    }
    assert 2 == len(shown)


def test_nothing_is_written_and_nothing_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The private key is on no disk: no file is opened for writing, and no descriptor is left."""
    opened: list[object] = []
    monkeypatch.setattr(os, "open", lambda *given: opened.append(given))
    monkeypatch.chdir(tmp_path)
    before = set(os.listdir("/dev/fd"))  # noqa: PTH208 - names
    server_context(KEY, "mapper")
    assert before == set(os.listdir("/dev/fd"))  # noqa: PTH208 - names
    assert opened == []
    assert list(tmp_path.iterdir()) == []
