"""The module path of this program's processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import driver
from driver.program.module_path import own_environment, own_process, put_current_folder_last

ROOT = str(Path(driver.__file__).resolve().parents[1])


@pytest.mark.parametrize("first", ["", ".", "{here}"])
def test_the_current_folder_is_searched_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """The folder that Python puts first goes to the end, however it is named."""
    monkeypatch.chdir(tmp_path)
    path = [first.format(here=os.path.realpath(tmp_path)), "/lib", "/site"]
    before = list(path)
    put_current_folder_last(path)
    assert ["/lib", "/site", before[0]] == path


def test_a_command_gets_the_current_folder_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The console command has its own folder first; the current one is added once."""
    monkeypatch.chdir(tmp_path)
    path = ["/env/bin", "/lib"]
    put_current_folder_last(path)
    put_current_folder_last(path)
    assert ["/env/bin", "/lib", os.path.realpath(tmp_path)] == path


def test_in_the_clone_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the folder of this program its own modules are found first, as they must be."""
    monkeypatch.chdir(ROOT)
    path = ["", "/lib"]
    put_current_folder_last(path)
    assert ["", "/lib"] == path


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, ROOT), ({"PYTHONPATH": ""}, ROOT), ({"PYTHONPATH": "/mine"}, f"{ROOT}:/mine")],
)
def test_a_process_of_ours_finds_our_modules_first(given: dict[str, str], expected: str) -> None:
    """Its path has our folder before the user's, its variables are added, the others kept."""
    made = own_environment({"HOME": "/h", **given}, PYTHONHASHSEED="0")
    assert {"HOME": "/h", "PYTHONPATH": expected, "PYTHONHASHSEED": "0"} == made


def test_a_process_of_ours_leaves_the_current_folder_out() -> None:
    """Python's -P keeps it from the module path."""
    assert [sys.executable, "-P", "-m", "services.local_fleet"] == own_process(
        "services.local_fleet"
    )
