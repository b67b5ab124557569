"""A notebook for each test."""

from __future__ import annotations

import pytest

from tests.unit.driver.api.live.notebook import Notebook


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """Return a notebook whose first cell imports the job API."""
    one = Notebook(monkeypatch)
    one.cell("from mapreduce import Chain, Csv, Job, Sum")
    return one
