"""A run that its user watches: the events, the notes, and the end of the view."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driver.plan.config import RunConfig
from driver.plan.events import Event, RunDone
from driver.plan.target import Target
from driver.report.document import Report
from driver.targets.prepare import Prepared, prepare
from driver.targets.watched import page_place, watched
from driver.text import interruption_text
from mapreduce.errors import StageFailed

FAILS = """
from mapreduce import Job


class Fails(Job):
    def map(self, key, value):
        raise ValueError("no")
"""


class _View:
    """Keeps what it is shown; fails at every event."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.events: list[Event] = []

    def start(self) -> None:
        self.calls.append("start")

    def stop(self) -> None:
        self.calls.append("stop")

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        raise OSError("no screen")

    def uploading(self, name: str, sent: int, size: int) -> None:
        self.calls.append(name)


def _prepared(folder: Path, job: str) -> Prepared:
    (folder / "in.txt").write_text("one two\n")
    config = RunConfig(inputs=(str(folder / "in.txt"),), job=job)
    return prepare(config, "inline", str(folder / "store"))


def test_a_view_sees_the_run_and_cannot_end_it(tmp_path: Path) -> None:
    """The view gets all events between its start and its stop; that it fails is a note."""
    view = _View()
    report, later = watched(_prepared(tmp_path, "word_count"), view, time.monotonic())
    assert ["start", "stop"] == view.calls
    assert any(isinstance(event, RunDone) for event in view.events)
    assert any("an event could not be shown" in note for note in (*report.notes, *later))


def test_no_view_is_needed(tmp_path: Path) -> None:
    """A run without a view has the same report; any function may drive it."""
    driven = []

    def drive(coroutine: object) -> object:
        driven.append(coroutine)
        return asyncio.run(coroutine)  # type: ignore[arg-type]

    report, later = watched(
        _prepared(tmp_path, "word_count"),
        None,
        time.monotonic(),
        drive,  # type: ignore[arg-type]
    )
    assert (2, [], 1) == (report.records, later, len(driven))


def test_an_error_says_where_the_page_is(tmp_path: Path) -> None:
    """The error of a run has the place of its page among its notes."""
    (tmp_path / "watched_fails.py").write_text(FAILS)
    prepared = _prepared(tmp_path, str(tmp_path / "watched_fails.py"))
    with pytest.raises(StageFailed) as caught:
        watched(prepared, _View(), time.monotonic())
    assert any(note.startswith("page: ") for note in caught.value.__notes__)
    assert any(note.startswith("note: an event could not") for note in caught.value.__notes__)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("inline", ""),
        ("spark", "interrupted; the same command does it again from the beginning: "),
    ],
)
def test_an_interruption_promises_only_what_the_target_keeps(
    tmp_path: Path, target: Target, says: str
) -> None:
    """The same command goes on with a run, but not on Spark."""

    def interrupted(run: Coroutine[Any, Any, Report]) -> Report:
        run.close()
        raise KeyboardInterrupt

    prepared = replace(_prepared(tmp_path, "word_count"), target=target)
    with pytest.raises(KeyboardInterrupt) as caught:
        watched(prepared, None, time.monotonic(), interrupted)
    assert says in str(caught.value)
    assert bool(says) == bool(caught.value.args)
    assert "to continue" in interruption_text(caught.value) or says


def test_the_page_of_a_run_in_s3_has_a_command(tmp_path: Path) -> None:
    """A page in S3 is fetched by a command; a local one is a path."""
    runs = _prepared(tmp_path, "word_count").runs
    ((label, path),) = page_place(runs, "run-1")
    assert ("page", f"{tmp_path}/store/runs/run-1/report.html") == (label, path)
    runs.store = "s3://bucket"
    assert [
        ("page", "s3://bucket/runs/run-1/report.html"),
        ("", f"get it: python -m driver report run-1{runs.option} --output report.html"),
    ] == page_place(runs, "run-1")
