"""A program that loads jobs keeps its own modules, and its file may be imported in a service."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mapreduce.code import load
from mapreduce.errors import JobLoadError

JOB_BESIDE = """
from mapreduce import Job


class Beside(Job):
    def map(self, key, value):
        yield value, 1
"""


def test_the_caller_keeps_its_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the block the path, the finders and modules of the same names are the caller's."""
    (tmp_path / "clash_1.py").write_text(JOB_BESIDE)
    own = ModuleType("clash_1")
    own.__file__ = "/elsewhere/clash_1.py"
    monkeypatch.setitem(sys.modules, "clash_1", own)
    path, finders = list(sys.path), list(sys.meta_path)
    with load.own_modules_only_within():
        cls = load.import_job(tmp_path, "clash_1", "Beside")
        assert sys.modules["clash_1"] is not own
        assert "Beside" == cls.__name__
    assert (path, finders) == (sys.path, sys.meta_path)
    assert sys.modules["clash_1"] is own


def test_modules_of_a_folder_that_is_gone_are_forgotten(tmp_path: Path) -> None:
    """A module of a folder that is not on the caller's path is not left behind."""
    (tmp_path / "gone_1.py").write_text(JOB_BESIDE)
    with load.own_modules_only_within():
        load.import_job(tmp_path, "gone_1", "Beside")
        assert "gone_1" in sys.modules
    assert "gone_1" not in sys.modules


def test_a_job_knows_that_it_is_imported(tmp_path: Path) -> None:
    """While a job's file is imported, and only then, the process says so."""
    text = JOB_BESIDE + "\nfrom mapreduce.code import is_importing\nSEEN = is_importing()\n"
    (tmp_path / "seen_1.py").write_text(text)
    with load.own_modules_only_within():
        cls = load.import_job(tmp_path, "seen_1", "Beside")
        assert sys.modules[cls.__module__].SEEN
    assert not load.is_importing()


def test_a_script_can_be_imported_without_the_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a service, `from driver import run` gives a function that refuses to run."""
    (tmp_path / "script_1.py").write_text(f"from driver import run\n{JOB_BESIDE}")
    (tmp_path / "script_2.py").write_text(f"from driver import run\n{JOB_BESIDE}\nrun(Beside, 'a')")
    (tmp_path / "script_3.py").write_text(f"from driver import other\n{JOB_BESIDE}")
    real = PathFinder.find_spec

    def without(name: str, *rest: Any) -> Any:
        return None if name == "driver" else real(name, *rest)

    monkeypatch.setattr(PathFinder, "find_spec", without)
    for name in [each for each in sys.modules if each.partition(".")[0] == "driver"]:
        monkeypatch.delitem(sys.modules, name)
    with load.own_modules_only_within():
        assert "Beside" == load.import_job(tmp_path, "script_1", "Beside").__name__
        with pytest.raises(JobLoadError, match="would begin another run"):
            load.import_job(tmp_path, "script_2", "Beside")
        with pytest.raises(JobLoadError, match="cannot import name 'other'"):
            load.import_job(tmp_path, "script_3", "Beside")
        sys.modules.pop("driver", None)
