"""Fixtures for the tests of jobs: write `pytest_plugins = ["mapreduce.pytest_plugin"]` in
conftest.py.

A test that takes `run_job` runs once for each way in which a real run may divide the work:

    def test_counts(run_job):
        answer = run_job(WordCount(), ["a rose is a rose"])
        assert dict(answer.pairs) == {"a": 2, "is": 1, "rose": 2}
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from mapreduce.testing import Answer, run

WAYS = ((1, 1), (2, 2), (7, 3))
"""(splits, partitions)."""


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0]}-splits-{way[1]}-partitions")
def run_job(request: pytest.FixtureRequest) -> Callable[..., Answer]:
    """Return `mapreduce.testing.run` with the numbers of splits and partitions already set."""
    splits, partitions = request.param
    return partial(run, splits=splits, partitions=partitions)
