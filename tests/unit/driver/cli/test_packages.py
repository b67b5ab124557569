"""`packages`, over a prepared store."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.unit.driver.cli.conftest import Command
from tests.wheels import make_wheel, stored_set


@pytest.fixture
def digest(home: Path, tmp_path: Path) -> str:
    """The digest of a set in the store, which no run has used."""
    path = make_wheel(tmp_path / "in", "one", "1.5")
    return stored_set(f"file://{home.resolve()}/.mapreduce", tmp_path / "scratch", path)


def test_a_store_without_packages_says_how_to_require_some(command: Command) -> None:
    """The answer is empty, and the note names the attribute."""
    said = command("packages")
    assert (0, "", True) == (said.code, said.out, "requirements = " in said.err)
    assert [] == command("packages", "--json").document["sets"]


def test_packages_are_listed(command: Command, digest: str) -> None:
    """The table and the document have the wheels, their size and their use."""
    said = command("packages")
    assert digest[:12] in said.out and "one 1.5" in said.out and "unused" in said.out
    (line,) = command("packages", "--json").document["sets"]
    assert (digest, 0, [("one", "1.5")]) == (
        line["digest"],
        line["runs"],
        [(each["name"], each["version"]) for each in line["packages"]],
    )


def test_a_damaged_set_is_said(command: Command, home: Path, digest: str) -> None:
    """The line says how it is uploaded again."""
    (home / f".mapreduce/packages/sets/{digest}.json").write_text("{}")
    assert "--refresh-packages" in command("packages").out


def test_unused_packages_are_deleted_with_yes(command: Command, home: Path, digest: str) -> None:
    """Without --yes nothing is deleted, and --yes alone is refused."""
    for path in (home / ".mapreduce/packages").rglob("*"):
        os.utime(path, (time.time() - 200_000,) * 2)
    assert "would delete 2 objects" in command("packages", "--clean").err
    assert 2 == command("packages", "--yes").code
    assert "deleted 2 objects" in command("packages", "--clean", "--yes").err
    assert [] == command("packages", "--json").document["sets"]
