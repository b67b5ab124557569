"""When a process that has imported a job may be forked."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from services.stage.task import forkable
from services.stage.task.forkable import OutsideWatch, Traces, traces, why_fresh

BEFORE = Traces(
    threads=1,
    children=0,
    files=frozenset({("3", "socket:[1]")}),
    shared=frozenset(),
    modules=frozenset({"os", "duckdb"}),
    timer=False,
)


def test_an_import_that_leaves_nothing_may_be_forked() -> None:
    """An import that adds only modules may be forked."""
    assert why_fresh(BEFORE, replace(BEFORE, modules=BEFORE.modules | {"json", "job"}), []) == ""


@pytest.mark.parametrize(
    ("changed", "outside", "named"),
    [
        ({"threads": 2}, [], "1 thread runs on"),
        ({"threads": 4}, [], "3 threads run on"),
        ({"children": 1}, [], "1 process runs on"),
        ({"modules": frozenset({"os", "polars", "polars.lazy"})}, [], "polars cannot be forked"),
        (
            {"files": frozenset({("3", "socket:[1]"), ("4", "/data/table")})},
            [],
            "/data/table stays open",
        ),
        ({"shared": frozenset({"7f00-7f01"})}, [], "memory is shared between processes"),
        ({"timer": True}, [], "a timer is set"),
        ({}, ["tempfile.mkdtemp", "tempfile.mkdtemp"], "it calls tempfile.mkdtemp"),
    ],
)
def test_reasons_against_a_fork_are_named(
    changed: dict[str, Any], outside: list[str], named: str
) -> None:
    """Each reason against a fork is named once."""
    assert why_fresh(BEFORE, replace(BEFORE, **changed), outside) == named


# -- this process ------------------------------------------------------------------------------


def test_the_traces_are_those_of_this_process(tmp_path: Path) -> None:
    """An open file, and a running thread, are found while they exist."""
    before = traces()
    assert before.threads >= 1
    assert "os" in before.modules
    release = threading.Event()
    thread = threading.Thread(target=release.wait, args=(30,))
    with (tmp_path / "open").open("w"):
        thread.start()
        reason = why_fresh(before, traces(), [])
        release.set()
    thread.join()
    assert f"1 thread runs on; {tmp_path / 'open'} stays open" == reason


def test_where_there_is_no_proc_threads_are_pythons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc threads are counted by Python, and files and mappings are unknown."""

    def missing(*_: object, **__: object) -> NoReturn:
        raise FileNotFoundError

    monkeypatch.setattr("os.listdir", missing)
    monkeypatch.setattr("builtins.open", missing)
    assert threading.active_count() == forkable._threads()
    assert [] == [*forkable._files(), *forkable._shared_mappings()]


def test_effects_of_an_import_are_seen(tmp_path: Path) -> None:
    """The watch sees new folders, written files and connections, but no reads, bytecode or null
    device.
    """
    watch = OutsideWatch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "file").read_text()
    (tmp_path / "__pycache__" / "x.pyc").write_bytes(b"x")
    with Path(os.devnull).open("w"):
        pass
    file = os.open(tmp_path / "file", os.O_RDWR)
    os.close(file)
    watch.stop()
    (tmp_path / "after").mkdir()
    assert ["os.mkdir", "open for writing", "open for writing"] == watch.seen
