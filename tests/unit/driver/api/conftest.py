"""A folder with a text, and jobs in files of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import Any

import pytest

ROSES = "a rose is a rose\nis a rose\n"
Write = Callable[[str, str], Any]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, which has roses.txt, and which modules are imported from."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAPREDUCE_TERRAFORM", str(tmp_path / "terraform"))
    monkeypatch.delenv("MAPREDUCE_STORE", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "roses.txt").write_text(ROSES)
    return tmp_path


@pytest.fixture
def module(folder: Path) -> Iterator[Write]:
    """Return a function that writes a module and imports it."""
    names: list[str] = []

    def write(name: str, text: str) -> Any:
        (folder / f"{name}.py").write_text(text)
        invalidate_caches()
        names.append(name)
        return import_module(name)

    yield write
    for name in names:
        sys.modules.pop(name, None)
