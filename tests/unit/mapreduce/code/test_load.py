"""Which modules a job has loaded, after any imports and removals."""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mapreduce.code import import_job, modules_loaded
from mapreduce.code.load import _OwnModules
from mapreduce.code.modules import loaded_modules

NAMES = [f"loaded_{letter}" for letter in "abcdef"]


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A job whose folder has six further modules."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(_OwnModules, "look", None)
    monkeypatch.setattr(_OwnModules, "root", None)
    (tmp_path / "loaded_job.py").write_text(
        "from mapreduce import Count, Job\nclass J(Job):\n    reduce = Count()\n"
    )
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text("")
    import_job(tmp_path, "loaded_job", "J")
    yield
    for name in [*NAMES, "loaded_job"]:
        sys.modules.pop(name, None)


def _all_looked_at() -> tuple[str, ...]:
    """Return the loaded modules by a scan of all."""
    root = _OwnModules.root
    assert root is not None
    return loaded_modules(set(sys.modules) - _OwnModules.before[root])


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("seed", range(20))
def test_loaded_modules_equal_a_scan_of_all(seed: int) -> None:
    """After any order of imports and removals the result equals a scan of all modules."""
    chosen = random.Random(seed)
    assert modules_loaded() == ("loaded_job",)
    for _ in range(30):
        for name in chosen.sample(NAMES, chosen.randint(0, 3)):
            if chosen.random() < 0.5:
                sys.modules.pop(name, None)
            else:
                importlib.import_module(name)
        if chosen.random() < 0.7:
            assert modules_loaded() == _all_looked_at()


@pytest.mark.usefixtures("loaded")
def test_a_second_call_examines_only_new_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second call examines only new modules."""
    modules_loaded()
    importlib.import_module(NAMES[0])
    seen: list[set[str]] = []

    def noted(names: set[str]) -> tuple[str, ...]:
        seen.append(set(names))
        return loaded_modules(names)

    monkeypatch.setattr("mapreduce.code.load.loaded_modules", noted)
    assert modules_loaded() == (NAMES[0], "loaded_job")
    assert modules_loaded() == (NAMES[0], "loaded_job")
    assert seen == [{NAMES[0]}]
