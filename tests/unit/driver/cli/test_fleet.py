"""`stack start` and `stack stop`."""

from __future__ import annotations

import pytest

from driver.cloud.fleet import fleet_use, leases
from driver.cloud.stack import Stack
from tests.unit.driver.cli.conftest import Command
from tests.unit.driver.samples import STACK_VALUES


class Account:
    """The numbers of tasks of a stopped stack."""

    def __init__(self) -> None:
        self.counts = {"splitter": 0, "mapper": 0, "reducer": 0}
        self.is_guarded = False
        self.counts_from_now = 0.0

    def desired(self) -> dict[str, int]:
        """Return the numbers."""
        return dict(self.counts)

    def scale(self, counts: dict[str, int]) -> None:
        """Change numbers."""
        self.counts |= counts

    def note_end(self, seconds: float) -> None:
        """Note from when the guard counts."""
        self.counts_from_now = seconds

    def clear(self) -> None:
        """End all leases."""
        self.counts_from_now = 0.0

    def guard(self, *, runs: bool) -> None:
        """Start or stop the guard."""
        self.is_guarded = runs


def _deployed(monkeypatch: pytest.MonkeyPatch, **changes: object) -> Account:
    account = Account()
    stack = Stack.model_validate(STACK_VALUES | changes)
    monkeypatch.setattr("driver.cloud.stack.read_stack", lambda _: stack)
    monkeypatch.setattr(fleet_use, "Services", lambda *_: account)
    monkeypatch.setattr(leases, "Leases", lambda *_: account)
    return account


def test_start_names_the_tasks_and_what_ends_them(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`stack start --mappers 20` starts the other services too, and the guard."""
    account = _deployed(monkeypatch)
    said = command("stack", "start", "--mappers", "20")
    assert account.counts == {"splitter": 1, "mapper": 20, "reducer": 1}
    assert (account.is_guarded, account.counts_from_now) == (True, 1800)
    assert said.code == 0
    assert "starting: 1 splitter, 20 mappers, 1 reducer" in said.out
    assert "the idle guard stops them after 30 minutes without a run" in said.out
    assert "started before" in command("stack", "start").out


def test_start_without_a_guard_names_the_command_that_stops(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stack without a guard runs until it is stopped."""
    _deployed(monkeypatch, guard=None, idle_stop_minutes=0)
    assert "python -m driver stack stop" in command("stack", "start").err


def test_stop_stops_all(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """`stack stop` stops all services and the guard, and can be given twice."""
    account = _deployed(monkeypatch)
    account.counts = {"splitter": 1, "mapper": 3, "reducer": 0}
    assert "stopping: 1 splitter, 3 mappers" in command("stack", "stop").out
    assert not any(account.counts.values())
    assert "all tasks were stopped before" in command("stack", "stop").out


@pytest.mark.parametrize("name", ["start", "stop"])
def test_without_a_stack_the_command_says_so(command: Command, name: str) -> None:
    """Nothing is deployed in this folder."""
    said = command("stack", name)
    assert (said.code, "run ./deploy.sh" in said.err) == (3, True)
