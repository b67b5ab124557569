"""Fixtures of the tests of a job's code."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def fresh_imports() -> Iterator[None]:
    """Remove every module that a test imports from its files."""
    path, modules, finders = list(sys.path), dict(sys.modules), list(sys.meta_path)
    yield
    sys.path[:] = path
    sys.modules.clear()
    sys.modules.update(modules)
    sys.meta_path[:] = finders
