"""How a program learns of its lifeline, without a process."""

from __future__ import annotations

import os

import pytest

from services.shell import supervisor


def test_a_program_finds_its_lifeline_in_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program gets its whole environment, and the descriptor of its lifeline, inheritable."""
    executed: list[tuple[str, list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda *given: executed.append(given))
    reading, writing = os.pipe()
    member = supervisor.program("a server", ["/bin/program", "--port", "1"], {"NAME": "value"})
    member.become(reading)
    ((path, command, environment),) = executed
    assert ("/bin/program", ["/bin/program", "--port", "1"]) == (path, command)
    assert {"NAME": "value", supervisor.LIFELINE: str(reading)} == environment
    assert os.get_inheritable(reading)
    monkeypatch.setenv(supervisor.LIFELINE, str(reading))
    assert reading == supervisor.own_lifeline()
    assert not os.get_inheritable(reading)
    assert supervisor.LIFELINE not in os.environ
    for end in (reading, writing):
        os.close(end)


def test_a_program_started_by_hand_has_no_lifeline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a supervisor there is no lifeline."""
    monkeypatch.delenv(supervisor.LIFELINE, raising=False)
    assert supervisor.own_lifeline() is None
