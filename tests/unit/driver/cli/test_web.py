"""`web`: the command, without a server."""

from __future__ import annotations

import re
import socket
import webbrowser
from pathlib import Path

import pytest
from fastapi import FastAPI

from driver.web import serve
from tests.unit.driver.cli.conftest import Command


@pytest.fixture(autouse=True)
def served(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ports that were served; each server is ended by Ctrl-C at once."""
    ports: list[int] = []

    def end(_: FastAPI, listener: socket.socket) -> None:
        assert "127.0.0.1" == listener.getsockname()[0]
        ports.append(listener.getsockname()[1])
        raise KeyboardInterrupt

    monkeypatch.setattr(serve, "serve", end)
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    return ports


def test_the_address_is_the_answer(command: Command, served: list[int]) -> None:
    """The address is on standard output alone, the store on standard error; Ctrl-C is an end."""
    said = command("web", "--port", "0", "--no-open", "--store", "kept")
    assert 0 == said.code
    assert re.fullmatch(rf"http://127\.0\.0\.1:{served[0]}/open\?token=\S+\n", said.out)
    assert "kept" in said.err


def test_the_browser_gets_an_address_that_opens_once(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other users see a browser's arguments, so they hold another token than the printed one."""
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    said = command("web", "--port", "0")
    assert 1 == len(opened)
    assert opened[0] != said.out.strip()


def test_a_port_in_use(
    command: Command, served: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default port gives way to any with a note; a wanted one is an error with a way out."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        said = command("web", "--port", str(taken), "--no-open")
        assert 2 == said.code
        assert f"error: --port {taken}: " in said.err
        assert "choose another one, or 0 for any" in said.err
        assert "" == said.out
        monkeypatch.setattr(serve, "DEFAULT_PORT", taken)
        said = command("web", "--no-open")
        assert 0 == said.code
        assert f"port {taken} is in use" in said.err
        assert taken not in served


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_that_is_none(command: Command, port: str) -> None:
    """A number that is no port is an error and no stack trace."""
    said = command("web", "--port", port, "--no-open")
    assert 2 == said.code
    assert "Traceback" not in said.err
