"""A local store after a power loss during a commit: its calls are recorded, and cut off at each."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from driver.history.run_store import RunStore
from mapreduce.storage import open_storage
from mapreduce.system import operating_system

PARTS = 5
CONTENT = b"{}\n" * 100


@dataclass
class Disk:
    """The calls that decide what stays on a disk, in order.

    Attributes:
        calls: ("name", path, inode) if a file or folder gets a name, ("sync", inode, size) if its
            content is synced.
    """

    calls: list[tuple[str, Any, int]] = field(default_factory=list)

    def record(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Record the calls from now on."""
        real: dict[str, Callable[..., Any]] = {
            name: getattr(os, name) for name in ("fsync", "link", "replace", "mkdir")
        }

        def fsync(file: int) -> None:
            real["fsync"](file)
            found = os.fstat(file)
            self.calls.append(
                ("sync", found.st_ino, -1 if stat.S_ISDIR(found.st_mode) else found.st_size)
            )

        def named(name: str) -> Callable[..., None]:
            def call(source: Any, target: Any, **options: Any) -> None:
                real[name](source, target, **options)
                self.calls.append(("name", Path(target), Path(target).stat().st_ino))

            return call

        def mkdir(path: Any, *arguments: Any, **options: Any) -> None:
            real["mkdir"](path, *arguments, **options)
            self.calls.append(("name", Path(path), Path(path).stat().st_ino))

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(os, "link", named("link"))
        monkeypatch.setattr(os, "replace", named("replace"))
        monkeypatch.setattr(os, "mkdir", mkdir)

    def names(self, count: int) -> dict[Path, int]:
        """Return the names, with inodes, that may exist after the first `count` calls."""
        return {call[1]: call[2] for call in self.calls[:count] if call[0] == "name"}

    def surely(self, path: Path, size: int | None, count: int) -> bool:
        """Return whether a name, with a content of that size (None for a folder), exists even in
        the worst case.
        """
        calls = self.calls[:count]
        made = [number for number, call in enumerate(calls) if call[:2] == ("name", path)]
        if not made:
            return False
        folder = path.parent.stat().st_ino
        kept = any(call[0] == "sync" and call[1] == folder for call in calls[made[-1] :])
        written = size is None or ("sync", calls[made[-1]][2], size) in calls
        return kept and written


@pytest.fixture
def committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[Disk, Path]]:
    """A function that commits a result of several parts, and returns the recorded calls and the
    folder.
    """

    def commit() -> tuple[Disk, Path]:
        disk = Disk()
        disk.record(monkeypatch)
        storage, store = open_storage(), f"file://{tmp_path}/store"
        proven = [
            storage.write(f"{store}/reduce/run-1/{number}.attempt", CONTENT)
            for number in range(PARTS)
        ]
        parts = [
            (info, f"{store}/reduce/run-1/part-{number}.jsonl")
            for number, info in enumerate(proven)
        ]
        RunStore(storage, store).commit("run-1", parts, records=1)
        return disk, tmp_path / "store" / "reduce" / "run-1"

    return commit


def _broken(disk: Disk, folder: Path) -> list[int]:
    """Return the moments at which a power loss leaves `_SUCCESS` without a whole result."""
    mark = folder / "_SUCCESS"
    size = mark.stat().st_size
    found = []
    for count in range(len(disk.calls) + 1):
        if mark not in disk.names(count):
            continue
        written = ("sync", disk.names(count)[mark], size) in disk.calls[:count]
        parts = all(
            disk.surely(folder / f"part-{number}.jsonl", len(CONTENT), count)
            for number in range(PARTS)
        )
        if not (written and parts):
            found.append(count)
    return found


def test_no_moment_leaves_a_mark_without_its_parts(
    committed: Callable[[], tuple[Disk, Path]],
) -> None:
    """At every moment where `_SUCCESS` may exist, it and every part are on the disk."""
    disk, folder = committed()
    assert folder / "_SUCCESS" in disk.names(len(disk.calls))
    assert _broken(disk, folder) == []


def test_a_commit_that_returned_stays(committed: Callable[[], tuple[Disk, Path]]) -> None:
    """After a commit `_SUCCESS`, the parts and all new folders are on the disk."""
    disk, folder = committed()
    everything = len(disk.calls)
    assert disk.surely(folder / "_SUCCESS", (folder / "_SUCCESS").stat().st_size, everything)
    made = [path for path in disk.names(everything) if path.is_dir()]
    assert folder in made
    assert [path for path in made if not disk.surely(path, None, everything)] == []


def test_without_syncing_there_are_such_moments(
    committed: Callable[[], tuple[Disk, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without fsync(2) the test finds a moment with `_SUCCESS` alone."""
    monkeypatch.setattr(operating_system, "sync", lambda _: None)
    assert _broken(*committed()) != []


def test_other_writes_are_not_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes of tasks are not synced."""
    disk = Disk()
    disk.record(monkeypatch)
    open_storage().write(f"file://{tmp_path}/a/b", CONTENT)
    assert [call for call in disk.calls if call[0] == "sync"] == []
