"""Which lines end a forked copy of a task's process: the engine's, if the job has called them."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mapreduce
from services.stage.task import forks

ENGINE = str(Path(mapreduce.__file__).parent / "engine" / "of_the_test.py")
STANDARD = str(Path(multiprocessing.__file__).parent / "of_the_test.py")


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The exit codes with which the copy would end; the tracer is removed."""
    codes: list[int] = []
    traced: list[Any] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(sys, "settrace", traced.append)
    monkeypatch.setattr(forks, "_guarded", set())
    return codes


def _defined_in(file: str, text: str) -> Callable[..., Any]:
    """Return the function `f` of a source text with this file name."""
    names: dict[str, Any] = {}
    exec(compile(text, file, "exec"), names)
    made: Callable[..., Any] = names["f"]
    return made


def test_forks_are_guarded_once(ended: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The fork hook is installed once, because hooks cannot be removed."""
    hooks: list[Any] = []
    monkeypatch.setattr(os, "register_at_fork", lambda **hook: hooks.append(hook))
    forks.guard_forks()
    forks.guard_forks()
    assert [{"after_in_child": forks._after_fork}] == hooks


def test_a_copy_ends_where_it_comes_back_to_the_engine(
    ended: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each frame of the engine below the job's is traced, and each call into the engine."""
    traced: list[Any] = []
    monkeypatch.setattr(sys, "settrace", traced.append)
    engine = _defined_in(
        ENGINE, "import sys\ndef f(job):\n    job()\n    return sys._getframe().f_trace\n"
    )
    trace = engine(lambda: forks._after_fork())
    assert trace is forks._end
    assert [forks._called] == traced
    trace(sys._getframe(), "line", None)
    assert [forks.ENDED] == ended


def test_a_call_from_the_job_into_ours_ends_the_copy(ended: list[int]) -> None:
    """A call into the engine ends the copy, and any other call does not."""
    frame = _defined_in(ENGINE, "import sys\ndef f():\n    return sys._getframe()\n")()
    forks._called(frame, "call", None)
    assert [forks.ENDED] == ended
    forks._called(sys._getframe(), "call", None)
    assert 1 == len(ended)


@pytest.mark.parametrize("file", [ENGINE, STANDARD])
def test_a_fork_of_ours_or_of_multiprocessing_is_left_alone(
    ended: list[int], monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    """A fork by the engine or by multiprocessing is not traced, because it never returns."""
    traced: list[Any] = []
    monkeypatch.setattr(sys, "settrace", traced.append)
    _defined_in(file, "def f(after):\n    after()\n")(forks._after_fork)
    assert [] == traced
