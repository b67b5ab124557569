"""Programs that a supervisor keeps running, in real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.commands import wait_until_gone

SUPERVISED = """
import os, sys
from services.shell.supervisor import Supervisor, program
names = sys.argv[2:]
code = "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()} '); time.sleep(600)"
members = [
    program(name, [sys.executable, "-c", code, os.path.join(sys.argv[1], name)], dict(os.environ))
    for name in names
]
Supervisor(members).run()
"""


class _Family:
    """A supervisor with two programs, each of which notes its pid in a file at its start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.supervisor = subprocess.Popen(
            [sys.executable, "-c", SUPERVISED, str(folder), "one", "two"], stdin=subprocess.PIPE
        )

    def pids(self, name: str, starts: int) -> list[int]:
        """Return the pids of a program, once it has started this often."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            path = self.folder / name
            found = path.read_text().split() if path.exists() else []
            if len(found) >= starts:
                return [int(each) for each in found]
            time.sleep(0.02)
        raise AssertionError(f"{name} has not started {starts} times")


@pytest.fixture
def family(tmp_path: Path) -> Iterator[_Family]:
    """The supervisor; nothing of it is left."""
    made = _Family(tmp_path)
    yield made
    if made.supervisor.poll() is None:
        made.supervisor.kill()
    made.supervisor.wait()
    assert made.supervisor.stdin is not None
    made.supervisor.stdin.close()
    for name in ("one", "two"):
        for pid in made.pids(name, 0):
            assert wait_until_gone(pid, seconds=5)


def test_a_program_that_dies_is_started_again(family: _Family) -> None:
    """A killed program runs again; the other one is left alone."""
    (first,) = family.pids("one", 1)
    family.pids("two", 1)
    os.kill(first, signal.SIGKILL)
    assert first == family.pids("one", 2)[0]
    assert 1 == len(family.pids("two", 1))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_programs_end_with_their_supervisor(family: _Family, number: signal.Signals) -> None:
    """However the supervisor ends, its programs end."""
    pids = [family.pids(name, 1)[0] for name in ("one", "two")]
    family.supervisor.send_signal(number)
    assert all(wait_until_gone(pid, seconds=10) for pid in pids)


def test_the_programs_end_with_the_supervisor_s_input(family: _Family) -> None:
    """A supervisor whose input closes stops: what has started it is gone."""
    pids = [family.pids(name, 1)[0] for name in ("one", "two")]
    assert family.supervisor.stdin is not None
    family.supervisor.stdin.close()
    assert 0 == family.supervisor.wait(timeout=10)
    assert all(wait_until_gone(pid, seconds=5) for pid in pids)
