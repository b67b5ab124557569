"""Injected faults, with fake kills and pauses of this process."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mapreduce.errors import InjectedFault, UsageError
from mapreduce.storage import open_storage
from mapreduce.wire.messages import Cost, Fault, SplitResult
from services.stage.task.fault_injection import after_task, before_task, check_allowed
from tests.unit.driver.fakes import map_specs, result_of

KILL = Fault(kind="kill", when="during", seconds=0.2)


class _Asleep(Exception):
    """A pause has begun."""


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The actions of the faults."""
    calls: list[Any] = []

    def kill(pid: int, number: int) -> None:
        assert (os.getpid(), signal.SIGKILL) == (pid, number)
        calls.append("killed")

    def timer(seconds: float, call: Any) -> Any:
        calls.append(("timer", seconds))
        return SimpleNamespace(start=call)

    monkeypatch.setattr(os, "kill", kill)
    monkeypatch.setattr("threading.Timer", timer)
    monkeypatch.setattr("time.sleep", lambda seconds: calls.append(("slept", seconds)))
    return calls


def _before(fault: Fault | None, done: list[Any]) -> None:
    before_task(fault, lambda: done.append("silent"))


def test_a_service_that_takes_no_faults_refuses_them() -> None:
    """A service that does not allow faults refuses them, and names the setting."""
    check_allowed(None, allowed=False)
    check_allowed(KILL, allowed=True)
    with pytest.raises(UsageError, match="MAPREDUCE_CHAOS"):
        check_allowed(KILL, allowed=False)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (None, []),
        (Fault(kind="kill", when="before"), ["killed"]),
        (KILL, [("timer", 0.2), "killed"]),
        (Fault(kind="kill", when="after"), []),
        (Fault(kind="slow", seconds=1.5), [("slept", 1.5)]),
        (Fault(kind="corrupt"), []),
    ],
)
def test_faults_before_a_task(done: list[Any], fault: Fault | None, expected: list[Any]) -> None:
    """Each kind of fault acts before the task."""
    _before(fault, done)
    assert expected == done


def test_an_error_is_raised_and_a_hang_is_silent(
    done: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error raises; a hang stops the heartbeat first, and then sleeps."""
    with pytest.raises(InjectedFault):
        _before(Fault(kind="error"), done)

    def sleep(_: float) -> None:
        done.append("nap")
        if done.count("nap") == 3:
            raise _Asleep

    monkeypatch.setattr("time.sleep", sleep)
    with pytest.raises(_Asleep):
        _before(Fault(kind="hang"), done)
    assert ["silent", "nap", "nap", "nap"] == done


def test_the_output_of_a_task_is_corrupted(done: list[Any], tmp_path: Path) -> None:
    """A corruption changes one byte in the middle of an output; empty objects and splits stay."""
    storage = open_storage()
    url = f"file://{tmp_path}/object"
    made = result_of(map_specs([1])[0].message("0"))  # type: ignore[arg-type]
    result = made.model_copy(update={"url": url})
    for content, expected in ((b"abcde", b"ab\x9cde"), (b"", b"")):
        storage.write(url, content)
        after_task(Fault(kind="corrupt"), result, storage)
        assert expected == storage.read(url)
    cost = Cost(seconds=0.1, peak_memory_bytes=1)
    split = SplitResult(splits=(), bytes_read=0, bytes_written=0, cost=cost)
    after_task(Fault(kind="corrupt"), split, storage)
    after_task(None, result, storage)
    assert [] == done
    after_task(Fault(kind="kill", when="after"), result, storage)
    assert ["killed"] == done
