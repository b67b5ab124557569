"""Descendants of a process and their ends, with a fake /proc and fake calls."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from mapreduce.system import operating_system
from services.shell import process_tree as module
from services.shell.process_tree import (
    adopt_orphans,
    cause_of_death,
    children_of,
    close_other_files,
    descendants_of,
    die_with_parent,
    end_all_strays,
    end_strays,
    hide_from_others,
    reap_orphans,
)

FAMILY = {1: {2, 3}, 2: {4}, 3: set[int](), 4: {5}, 5: set[int]()}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (0, "ended by itself with exit code 0"),
        (7 << 8, "ended by itself with exit code 7"),
        (signal.SIGKILL, "was killed by SIGKILL (most likely out of memory"),
        (signal.SIGSEGV, "was killed by SIGSEGV (a crash in native code)"),
        (signal.SIGTERM, "was killed by SIGTERM"),
    ],
)
def test_a_wait_status_is_explained(status: int, said: str) -> None:
    """A wait status is explained, with the most likely cause."""
    assert cause_of_death(status).startswith(said)
    assert ("(" in said) == ("(" in cause_of_death(status))


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (die_with_parent, (1, signal.SIGKILL)),
        (adopt_orphans, (36, 1)),
        (hide_from_others, (4, 0)),
    ],
)
def test_the_kernel_is_asked_where_it_can_be(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[], None], expected: tuple[int, int]
) -> None:
    """prctl(2) is called with the numbers of its header on Linux, and not elsewhere."""
    asked: list[Any] = []
    monkeypatch.setattr(operating_system, "prctl", lambda *option: asked.append(option))
    call()
    assert [expected] == asked
    monkeypatch.setattr(operating_system, "prctl", None)
    call()
    assert 1 == len(asked)


def test_open_files_but_the_kept_ones_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """All open files except the kept ones are closed, and an already closed one is ignored."""
    closed: list[int] = []

    def close(number: int) -> None:
        closed.append(number)
        if number == 9:
            raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(os, "listdir", lambda _: ["0", "1", "2", "3", "9", "5", "7"])
    monkeypatch.setattr(os, "close", close)
    close_other_files({5})
    assert [3, 9, 7] == closed


def test_the_children_are_those_of_the_kernel() -> None:
    """The children of a process are those of the kernel's list, and none for a missing process."""
    assert set() == children_of(os.getpid())
    assert set() == children_of(1 << 30)
    assert os.getpid() in children_of(os.getppid())


def test_without_the_kernels_list_every_process_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the kernel's list of children all processes are examined, with the same result."""

    def missing(_: str) -> bytes:
        raise FileNotFoundError

    monkeypatch.setattr(module, "_read", missing)
    assert os.getpid() in children_of(os.getppid())
    assert os.getpid() not in children_of(os.getpid())

    def denied(_: str) -> bytes:
        raise PermissionError

    monkeypatch.setattr(module, "_read", denied)
    assert set() == children_of(os.getppid())


@pytest.fixture
def family(monkeypatch: pytest.MonkeyPatch) -> dict[int, set[int]]:
    """A family whose first process is this one."""
    known = {pid: set(children) for pid, children in FAMILY.items()}
    monkeypatch.setattr(os, "getpid", lambda: 1)
    monkeypatch.setattr(module, "children_of", lambda pid: set(known[pid]))
    monkeypatch.setattr("time.sleep", lambda _: None)
    return known


def test_parents_come_before_their_children(family: dict[int, set[int]]) -> None:
    """Parents come before children, so that a killed parent starts no further child."""
    found = descendants_of(1)
    assert {2, 3, 4, 5} == set(found)
    assert found.index(2) < found.index(4) < found.index(5)


def test_strays_are_killed_with_all_below_them(
    family: dict[int, set[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strays are killed with their descendants, except kept ones; a missing one is ignored."""
    killed: list[int] = []

    def kill(pid: int, number: int) -> None:
        assert signal.SIGKILL == number
        killed.append(pid)
        if pid == 4:
            raise ProcessLookupError

    monkeypatch.setattr(os, "kill", kill)
    end_strays([3])
    assert [2, 4, 5] == killed


def test_strays_are_killed_until_none_is_left(
    family: dict[int, set[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Children of a killed process are adopted, and killed in the next round."""
    rounds: list[int] = []

    def reap(pid: int, _: int) -> tuple[int, int]:
        rounds.append(pid)
        family[1].discard(pid)
        family[1] |= family[pid]
        return pid, 0

    monkeypatch.setattr(os, "kill", lambda *_: None)
    monkeypatch.setattr(os, "waitpid", reap)
    assert end_all_strays([], 60.0)
    assert {2, 3, 4, 5} == set(rounds)
    assert set() == family[1]


def test_strays_that_cannot_be_ended_are_given_up(
    family: dict[int, set[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strays that cannot be killed are given up after a time limit."""

    def no_child(*_: int) -> tuple[int, int]:
        raise ChildProcessError

    ticks = iter(range(100))
    monkeypatch.setattr("time.monotonic", lambda: next(ticks))
    monkeypatch.setattr(os, "kill", lambda *_: None)
    monkeypatch.setattr(os, "waitpid", no_child)
    assert not end_all_strays([], 5.0)
    assert end_all_strays([2, 3], 5.0)


def test_orphans_are_reaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """All orphans are reaped, and without a child nothing happens."""
    ended = [7, 8, 0]
    monkeypatch.setattr(os, "waitpid", lambda *_: (ended.pop(0), 0))
    reap_orphans()
    assert [] == ended

    def no_child(*_: int) -> tuple[int, int]:
        raise ChildProcessError

    monkeypatch.setattr(os, "waitpid", no_child)
    reap_orphans()
