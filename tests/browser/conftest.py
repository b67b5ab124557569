"""One browser for all tests; with MAPREDUCE_REQUIRE_ALL=1 a missing one is a failure."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.browser.chromium import executable, running


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Return the browser; none of its processes is left at the end."""
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("these tests have an environment of their own; run: make browser")
    if executable() is None:
        pytest.skip("there is no chromium; on Debian: apt-get install chromium")
    before = set(psutil.Process().children(recursive=True))
    with running() as started:
        family = set(psutil.Process().children(recursive=True)) - before
        yield started
    _, alive = psutil.wait_procs(family, timeout=10)
    assert family
    assert not alive
