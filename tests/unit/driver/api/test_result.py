"""What a result shows, and the tables that it becomes."""

from __future__ import annotations

import builtins
import shutil
import sys
from html import unescape
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import duckdb
import pytest

from driver import run
from driver.api.result import Result
from mapreduce.errors import InputError, UsageError


@pytest.fixture
def result(folder: Path) -> Result:
    """Return the counts of a text."""
    return run("word_count", "roses.txt", target="inline", progress=False, store="store")


def test_what_it_says(result: Result, folder: Path) -> None:
    """A result has its id, its figures, its top keys and its page."""
    assert "WordCount" == result.job
    assert [("a", 3), ("rose", 3), ("is", 2)] == result.top
    assert result.timings.end_to_end > 0
    assert result.receipt is not None
    assert Path(result.report).is_file()
    assert str(folder / "store" / "runs" / result.run) in result.report
    assert all(url.startswith("file://") for url in result.parts)
    assert any(note.startswith("cut ") for note in result.notes)


def test_its_texts(result: Result) -> None:
    """It is a line in a terminal, and a framed page in a notebook."""
    assert f"<Result of WordCount: {result.run} is done in " in repr(result)
    assert "3 pairs; top keys: 'a': 3, 'rose': 3, 'is': 2>" in repr(result)
    html = result._repr_html_() or ""
    assert html.startswith("<iframe srcdoc=")
    page = unescape(html)
    assert '<svg height="' in page
    assert "&lt;svg" not in page
    assert "Top keys" in page
    assert 'id="' not in html.partition("srcdoc=")[0]


def test_what_is_gone_is_said(result: Result, folder: Path) -> None:
    """Without its records a result has no picture, and its pairs are refused."""
    shutil.rmtree(folder / "store" / "pairs")
    with pytest.raises(InputError, match="no longer in the store"):
        list(result.pairs())
    shutil.rmtree(folder / "store")
    with pytest.raises(InputError, match="no longer in the store"):
        list(result.pairs())
    assert result._repr_html_() is None


def _module(name: str, **members: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(members)
    return made


def test_tables_are_read_from_parquet(result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each library reads the columns of a .parquet result."""

    def read(path: str, **_: object) -> Any:
        rows = duckdb.sql(f"SELECT key, value FROM '{path}' ORDER BY key").fetchall()  # type: ignore[union-attr]
        return SimpleNamespace(rows=rows, to_pandas=lambda **options: (rows, options))

    parquet = _module("pyarrow.parquet", read_table=read)
    monkeypatch.setitem(sys.modules, "pyarrow", _module("pyarrow", parquet=parquet))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", parquet)
    monkeypatch.setitem(sys.modules, "polars", _module("polars", read_parquet=read))
    monkeypatch.setitem(sys.modules, "pandas", _module("pandas"))
    rows = [("a", 3), ("is", 2), ("rose", 3)]
    assert rows == result.to_arrow().rows == result.to_polars().rows
    assert (rows, {"integer_object_nulls": True}) == result.to_pandas()


@pytest.mark.parametrize(
    ("method", "package"),
    [("to_arrow", "pyarrow"), ("to_polars", "polars"), ("to_pandas", "pandas")],
)
def test_a_missing_library_is_named(
    result: Result, monkeypatch: pytest.MonkeyPatch, method: str, package: str
) -> None:
    """Without the library, the error says what to install."""
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=f"pip install {package}"):
        getattr(result, method)()
