"""Books to count, and a driver for them. The driver's processes end with the test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.zipf import write_text
from tests.infrastructure.conftest import planned, policies, terraform  # noqa: F401  # fixtures
from tests.integration.commands import Driver

PROSE = """\
It was the best of times, it was the worst of times; it wasn't dull — “Don’t!” she said.
Ein Käsebrot für Zoë: naïve façade, Ærøskøbing. नमस्ते दुनिया, नमस्ते.
The end\r
"""


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    """A driver in an empty folder."""
    folder = tmp_path / "work place"
    folder.mkdir()
    made = Driver(folder, uuid.uuid4().hex)
    yield made
    left = made.processes()
    for process in left:
        process.kill()
    assert left == [], "the test left processes behind"


@pytest.fixture
def books(driver: Driver) -> list[Path]:
    """Three inputs: ASCII words, prose in several scripts, and an empty file; one name has a space
    and an umlaut.
    """
    first, second, third = (
        driver.folder / name for name in ("zipf.txt", "prosa für alle.txt", "empty.txt")
    )
    write_text(first, 200_000, seed=1)
    second.write_text(PROSE * 50, encoding="utf-8", newline="")
    third.touch()
    return [first, second, third]
