"""Compiled templates are kept for the next command, and no page depends on them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from driver.report import templating


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the templates a cache folder of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    templating._environment.cache_clear()
    yield tmp_path / "mapreduce-on-fargate" / "templates"
    templating._environment.cache_clear()


def test_a_compiled_template_is_kept(cache: Path) -> None:
    """The next command reads it: it is a file of this user's alone."""
    first = templating.source("palette.css")
    (kept,) = cache.iterdir()
    assert 0 == cache.stat().st_mode & 0o077
    templating._environment.cache_clear()
    assert first == templating.source("palette.css")
    assert [kept] == list(cache.iterdir())


def test_a_folder_that_others_can_write_is_not_used(cache: Path) -> None:
    """What lies there would be run."""
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    assert templating.source("palette.css")
    assert [] == list(cache.iterdir())


def test_a_file_in_the_place_of_the_folder_costs_no_page(cache: Path) -> None:
    """The templates are compiled again."""
    cache.parent.write_text("a file")
    assert templating.source("palette.css")


def test_a_damaged_file_is_compiled_again(cache: Path) -> None:
    """A page is right whatever a disk has lost."""
    first = templating.source("palette.css")
    (kept,) = cache.iterdir()
    for damaged in (b"", b"x" * 100, kept.read_bytes()[:-20]):
        kept.write_bytes(damaged)
        templating._environment.cache_clear()
        assert first == templating.source("palette.css")


def test_python_without_compiled_files_keeps_none(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PYTHONDONTWRITEBYTECODE is obeyed."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert templating.source("palette.css")
    assert not cache.exists()
