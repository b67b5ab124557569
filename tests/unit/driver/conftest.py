"""Fixtures of the driver's tests: a process without an imported job."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mapreduce.code import load

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def fresh_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore the imported modules of jobs after a test: `verify` imports a copy of them."""
    nothing: dict[str, Any] = {"root": None, "found": set(), "look": None, "before": {}}
    for name, value in nothing.items():
        monkeypatch.setattr(load._OwnModules, name, value)
    path, modules, finders = list(sys.path), dict(sys.modules), list(sys.meta_path)
    yield
    sys.path[:], sys.meta_path[:] = path, finders
    for name, module in list(sys.modules.items()):
        file = str(getattr(module, "__file__", None))
        # this repository, with its environment, may lie in the temporary folder too
        if file.startswith(tempfile.gettempdir()) and not file.startswith(str(ROOT)):
            del sys.modules[name]
    sys.modules.update(modules)
