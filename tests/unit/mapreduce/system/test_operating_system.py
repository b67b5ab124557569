"""What macOS lacks, taken away on this machine; tests/integration/test_as_on_a_mac.py runs jobs."""

from __future__ import annotations

import ast
import os
import resource
import unicodedata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import driver
import mapreduce
import services
from mapreduce.engine.memory import PeakMemory
from mapreduce.storage import local
from mapreduce.system import operating_system
from services.shell.process_tree import children_of
from services.stage.task import forkable, huge_pages

MISSING = "/nonexistent/proc"


class _Ps:
    """A ps(1) that prints a table; its own process is 9."""

    pid = 9

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> _Ps:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def communicate(self) -> tuple[bytes, None]:
        return b"    1     0\n    5     1\n    7     5\n    9     5\n\n", None


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what macOS does not have."""
    monkeypatch.setattr(operating_system, "PROC", MISSING)
    monkeypatch.setattr(operating_system, "prctl", None)
    monkeypatch.setattr(operating_system, "madvise", None)
    monkeypatch.setattr(operating_system, "NAMELESS_FILE", 0)
    monkeypatch.setattr(operating_system, "IS_MACOS", True)
    monkeypatch.setattr("subprocess.Popen", _Ps)


@pytest.mark.usefixtures("mac")
def test_children_are_asked_of_ps_which_does_not_count() -> None:
    """Without /proc the children of a process come from ps, without ps itself."""
    assert {7} == children_of(5)
    assert {5} == children_of(1)
    assert set() == children_of(7)


@pytest.mark.usefixtures("mac")
def test_without_ps_there_are_no_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without ps tells of no process."""

    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("subprocess.Popen", missing)
    assert {} == operating_system.parents()


@pytest.mark.usefixtures("mac")
def test_orphans_cannot_be_found_so_each_task_imports_its_job() -> None:
    """What an import leaves is unknown, so no process that has imported a job is forked."""
    now = forkable.traces()
    assert not operating_system.finds_orphans()
    assert "this system does not tell" in forkable.why_fresh(now, now, [])
    huge_pages.use_huge_pages()  # does nothing


def test_here_orphans_can_be_found() -> None:
    """Linux tells, so the same traces allow forks."""
    now = forkable.traces()
    assert operating_system.finds_orphans()
    assert "" == forkable.why_fresh(now, now, [])


@pytest.mark.usefixtures("mac")
def test_a_file_gets_its_name_by_a_rename(tmp_path: Path) -> None:
    """Without nameless files an object is written beside its place, and nothing is left there."""
    assert not operating_system.can_name_a_file()
    storage = local.LocalStorage()
    storage.create(f"file://{tmp_path}/a", b"one")
    assert [b"one"] == [path.read_bytes() for path in tmp_path.iterdir()]


@pytest.mark.usefixtures("mac")
def test_peak_memory_is_that_of_the_process_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc the peak is getrusage's, which macOS counts in bytes."""
    monkeypatch.setattr(resource, "getrusage", lambda _: SimpleNamespace(ru_maxrss=1 << 30))
    assert 1 << 30 == PeakMemory().bytes()


def test_here_it_is_counted_in_kibibytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux counts in KiB."""
    monkeypatch.setattr(resource, "getrusage", lambda _: SimpleNamespace(ru_maxrss=1 << 20))
    assert 1 << 30 == operating_system.peak_memory_bytes()


@pytest.mark.parametrize(("flag", "expected"), [(None, "fsync"), (51, "fcntl 51")])
def test_a_sync_reaches_the_disk(
    monkeypatch: pytest.MonkeyPatch, flag: int | None, expected: str
) -> None:
    """Where a full sync exists it is used, because fsync(2) stops at the drive's cache there."""
    called: list[str] = []
    monkeypatch.setattr(operating_system, "_FULL_SYNC", flag)
    monkeypatch.setattr(os, "fsync", lambda _: called.append("fsync"))
    monkeypatch.setattr("fcntl.fcntl", lambda _, flag: called.append(f"fcntl {flag}"))
    operating_system.sync(3)
    assert [expected] == called


def test_a_typed_name_is_composed_on_macos_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """MacOS may list a letter and its accent as two characters; a keyboard types one."""
    listed = unicodedata.normalize("NFD", "café.txt")
    assert listed == operating_system.typed_name(listed)
    monkeypatch.setattr(operating_system, "IS_MACOS", True)
    assert "café.txt" == operating_system.typed_name(listed)


def test_no_other_module_asks_for_the_system() -> None:
    """`sys.platform` is read in one module, and in those that must start without this package."""
    found = {
        f"{package.__name__}/{path.relative_to(folder).as_posix()}"
        for package in (driver, mapreduce, services)
        for folder in [Path(str(package.__file__)).parent]
        for path in folder.rglob("*.py")
        if any(map(_asks, ast.walk(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert found == {
        "mapreduce/packages/document.py",  # names the platform, and decides nothing by it
        *("mapreduce/system/operating_system.py", "mapreduce/system/supported.py"),
        *("driver/__main__.py", "driver/program/module_path.py", "services/healthcheck.py"),
    }


def _asks(node: Any) -> bool:
    """Return whether a node reads `sys.platform`, or prctl and the like of the C library."""
    return isinstance(node, ast.Attribute) and (
        (node.attr == "platform" and getattr(node.value, "id", "") == "sys")
        or node.attr in ("CDLL", "O_TMPFILE", "F_FULLFSYNC", "ru_maxrss")
    )
