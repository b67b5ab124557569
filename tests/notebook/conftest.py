"""A kernel for each test; with MAPREDUCE_REQUIRE_ALL=1 a missing one is a failure."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notebook.kernel import Kernel, started


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """Return a kernel in an empty folder but for a text, roses.txt."""
    if importlib.util.find_spec("ipykernel") is None:
        pytest.skip("these tests have an environment of their own; run: make notebook")
    (tmp_path / "roses.txt").write_text("a rose is a rose\nis a rose\n")
    with started(tmp_path) as one:
        yield one
