"""Which objects `clean` deletes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from driver.history.cleaning import carry_out, plan_cleaning, plan_emptying
from driver.history.run_store import RunStore
from mapreduce.storage import open_storage


@pytest.mark.parametrize("everything", [False, True])
def test_files_of_killed_processes_are_deleted(tmp_path: Path, *, everything: bool) -> None:
    """An old temporary file of a killed write is deleted too, and a recent one is kept."""
    old, new = (tmp_path / "tasks" / f".mapreduce-{digit * 16}.unfinished" for digit in "01")
    old.parent.mkdir()
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    runs = RunStore(open_storage(), f"file://{tmp_path}")
    cleaning = plan_emptying(runs) if everything else plan_cleaning(runs, [], results=False)
    assert [f"file://{old}"] == [info.url for info in cleaning.objects]
    carry_out(cleaning, runs)
    assert [new] == list(old.parent.iterdir())


@pytest.mark.parametrize("everything", [False, True])
def test_objects_with_strange_names_do_not_stop_the_others(
    tmp_path: Path, *, everything: bool
) -> None:
    """An object whose name no URL can hold is kept and reported, and the others are deleted."""
    runs = RunStore(open_storage(), f"file://{tmp_path}")
    for name in ("good", "od\x1bd"):
        path = tmp_path / "maps" / "a" / "run-1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"pairs")
    cleaning = plan_emptying(runs) if everything else plan_cleaning(runs, ["run-1"], results=False)
    assert cleaning.strange == (f"file://{tmp_path}/maps/a/run-1/od\x1bd",)
    carry_out(cleaning, runs)
    assert [path.name for path in (tmp_path / "maps" / "a" / "run-1").iterdir()] == ["od\x1bd"]
