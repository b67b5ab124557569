"""`replay` repeats one task in this process."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

import pytest

from tests.unit.driver.cli.conftest import Command


@pytest.fixture
def run(command: Command, home: Path) -> str:
    """A run with two splits and two partitions."""
    (home / "in.txt").write_text("one two\nthree two\n")
    options = ["--input", "in.txt", "--target", "inline", "--chunks", "2", "--json"]
    return str(command("run", *options).document["run_id"])


@pytest.fixture
def failed(command: Command, home: Path) -> None:
    """A run whose job raises on one record."""
    (home / "in.txt").write_text("fine\nboom\n")
    (home / "replayed.py").write_text(
        "from mapreduce import Job\n\n\nclass Replayed(Job):\n"
        "    def map(self, offset, line):\n        yield line, 1 // (line != 'boom')\n"
    )
    options = ["--input", "in.txt", "--target", "inline", "--chunks", "1", "--job", "replayed.py"]
    assert 1 == command("run", *options).code


def _objects(home: Path) -> set[Path]:
    return set((home / ".mapreduce").rglob("*"))


@pytest.mark.parametrize("task", ["split", "map-0", "map-1", "reduce-0", "reduce-1"])
def test_a_task_is_done_again_and_leaves_nothing(
    command: Command, home: Path, run: str, task: str
) -> None:
    """`replay` prints what the task reads, and deletes its output."""
    before = _objects(home)
    said = command("replay", run, _named(task))
    assert (0, True) == (said.code, "reads     file://" in said.err)
    assert "no error" in said.err
    assert before == _objects(home)


def _named(task: str) -> str:
    return "split-0" if task == "split" else task


def test_a_task_that_the_run_does_not_have(command: Command, run: str) -> None:
    """An unknown task exits with code 2 and the run's tasks."""
    said = command("replay", run, "map-99")
    assert (2, True) == (said.code, "map-0 to reduce-1" in said.err)


def test_a_task_that_raises_shows_the_cause(command: Command, failed: None) -> None:
    """A task that raises exits with 1; no debugger opens without a terminal or with --no-debug."""
    said, quiet = (command("replay", "run-", "map-0", *more) for more in ([], ["--no-debug"]))
    assert (1, 1) == (said.code, quiet.code)
    assert "ZeroDivisionError" in quiet.err
    assert "in.txt" in quiet.err
    assert [True, False] == ["no terminal" in each.err for each in (said, quiet)]


def test_the_debugger_opens_where_the_code_raised(
    command: Command, failed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The debugger opens at the author's line."""
    lines: list[str] = []

    def opened(trace: TracebackType) -> None:
        while trace.tb_next:
            trace = trace.tb_next
        lines.append(trace.tb_frame.f_code.co_filename)

    monkeypatch.setattr("pdb.post_mortem", opened)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    command("replay", "run-", "map-0")
    assert ["replayed.py"] == [Path(line).name for line in lines]


def test_it_stops_before_the_task_when_asked(
    command: Command, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--stop-at-start opens the debugger once, before the first record."""
    stops: list[int] = []
    monkeypatch.setattr("pdb.set_trace", lambda: stops.append(1))
    assert 0 == command("replay", run, "map-0", "--stop-at-start").code
    assert [1] == stops


def test_an_input_that_is_gone_is_an_error_of_one_line(
    command: Command, home: Path, run: str
) -> None:
    """A missing input exits with code 1 and one line."""
    (home / "in.txt").unlink()
    said = command("replay", run, "map-0")
    assert (1, True) == (said.code, "error: " in said.err)
