"""The made inputs, once for each process of the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.porting.made_data import make


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all inputs."""
    return make(tmp_path_factory.mktemp("data"))
