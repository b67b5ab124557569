"""Fixtures of the driver's tests: a process without an imported job."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from mapreduce.code import load


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
        if str(getattr(module, "__file__", None)).startswith(tempfile.gettempdir()):
            del sys.modules[name]
    sys.modules.update(modules)
