"""The signing key moves from the environment to the service, out of the reach of jobs."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from services.stage import signing_key as module
from services.stage import start as start_module
from services.stage.signing_key import (
    DESCRIPTOR,
    HASH_VARIABLE,
    LONGEST,
    VARIABLE,
    KeyMissing,
    read_key,
    restart_without_key,
    take_descriptor,
)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str], dict[str, str]]]:
    """The arguments of the restarted process."""
    calls: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *call: calls.append(call))
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "services.mapper"])
    for name in (VARIABLE, DESCRIPTOR, HASH_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    return calls


def test_a_process_without_the_key_is_not_started_anew(
    started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process without the key is restarted only to set the hash seed."""
    monkeypatch.setenv(HASH_VARIABLE, "0")
    restart_without_key("0")
    assert [] == started
    restart_without_key("1")
    ((_, _, environment),) = started
    assert "1" == environment[HASH_VARIABLE]
    assert DESCRIPTOR not in environment


def test_the_key_moves_from_the_environment_into_a_pipe(
    started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The restarted process has a pipe's descriptor in its environment instead of the key."""
    key = "k" * 32 + "é"
    monkeypatch.setenv(VARIABLE, key)
    restart_without_key("0")
    ((program, arguments, environment),) = started
    assert (sys.executable, [sys.executable, "-m", "services.mapper"]) == (program, arguments)
    assert VARIABLE not in environment
    file = int(environment[DESCRIPTOR])
    assert os.get_inheritable(file)
    monkeypatch.setenv(DESCRIPTOR, str(file))
    assert file == take_descriptor()
    assert DESCRIPTOR not in os.environ
    assert not os.get_inheritable(file)
    assert key == read_key(file)
    with pytest.raises(KeyMissing, match="cannot be read"):
        read_key(file)


def test_a_key_that_no_pipe_holds_is_refused(
    started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that does not fit into a pipe is refused, because writing it would block."""
    monkeypatch.setenv(VARIABLE, "k" * LONGEST)
    restart_without_key("0")
    os.close(int(started[0][2][DESCRIPTOR]))
    monkeypatch.setenv(VARIABLE, "k" * (LONGEST + 1))
    with pytest.raises(KeyMissing, match="more than"):
        restart_without_key("0")


@pytest.mark.parametrize("text", [None, "x", "99999"])
def test_a_descriptor_that_is_none_is_named(
    started: list[Any], monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    """A missing, invalid or closed descriptor is refused."""
    if text is not None:
        monkeypatch.setenv(DESCRIPTOR, text)
    with pytest.raises(KeyMissing, match=text or "required"):
        take_descriptor()


def test_a_service_starts_when_its_environment_holds_no_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`start` serves the named app; a key that cannot be passed gives one line and exit code 2."""
    served: list[str] = []
    monkeypatch.setattr(start_module, "restart_without_key", lambda _: None)
    monkeypatch.setattr("services.stage.serve.main", lambda create, name: served.append(name))
    start_module.start("reducer")
    assert ["reducer"] == served

    def broken(_: str) -> None:
        raise module.KeyMissing("too long")

    monkeypatch.setattr(start_module, "restart_without_key", broken)
    with pytest.raises(SystemExit) as ended:
        start_module.start("reducer")
    assert (2, f"{VARIABLE}: too long\n") == (ended.value.code, capsys.readouterr().err)
