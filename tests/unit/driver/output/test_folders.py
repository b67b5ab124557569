"""Folders by the values of columns are read back by DuckDB, which did not write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from driver.output import folders
from driver.output.folders import check_columns, encoded, folder_name, write_folders
from mapreduce.errors import DataError, UsageError
from mapreduce.formats.table import Row
from mapreduce.formats.table_files import TableStyle

NAMES = ("country", "n", "name")


def read_back(folder: Path) -> list[tuple[Any, ...]]:
    """Return all rows below a folder, with the columns of its folders, as DuckDB reads them."""
    with duckdb.connect() as connection:
        return connection.execute(
            "SELECT country, n, name FROM read_parquet(?, hive_partitioning = true, "
            "hive_types_autocast = false) ORDER BY n",
            [f"{folder}/*/*.parquet"],
        ).fetchall()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.none() | st.text(min_size=1, max_size=8), min_size=1, max_size=6))
@example(["a/b", "50%", "x y", "..", ".", "ä+=?", "\n", "\x00", "'\"", None])
@example(["__HIVE_DEFAULT_PARTITION__", None, "NULL", "null", "%41", "7", "%5F"])
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    """Each value makes one folder, and DuckDB finds it in the folder's name."""
    folder = tmp_path_factory.mktemp("by")
    rows: list[Row] = [(value, number, f"x{number}") for number, value in enumerate(values)]
    files = write_folders(lambda: rows, TableStyle("parquet", NAMES), ["country"], folder)
    assert len(set(values)) == len(files)
    assert rows == read_back(folder)
    assert not list(folder.glob(".*"))


def test_layout(tmp_path: Path) -> None:
    """The columns of the folders are not in the files, and a type is that of all rows."""
    rows: list[Row] = [("DE", 1, "a"), ("FR", 2.5, "b"), ("DE", 3, "c")]
    by = ["name", "country"]
    files = write_folders(lambda: rows, TableStyle("csv", NAMES), by, tmp_path)
    found = {str(path.relative_to(tmp_path)): path.read_text() for path in files}
    assert {
        "name=a/country=DE/part-00000.csv": "n\n1\n",
        "name=b/country=FR/part-00000.csv": "n\n2.5\n",
        "name=c/country=DE/part-00000.csv": "n\n3\n",
    } == found


def test_many_folders_with_few_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With more folders than open files every row is written once, in its order."""
    monkeypatch.setattr(folders, "OPEN_FILES", 2)
    rows: list[Row] = [(number % 7, number, "") for number in range(50)]
    files = write_folders(lambda: rows, TableStyle("tsv", NAMES, False), ["country"], tmp_path)
    for number, path in enumerate(files):
        texts = [line.split("\t")[0] for line in path.read_text().splitlines()]
        assert [str(each) for each in range(50) if each % 7 == number] == texts


def test_too_many_folders_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column with a value for each row is refused before a folder is made for it."""
    monkeypatch.setattr(folders, "MOST_FOLDERS", 3)
    rows: list[Row] = [(number, number, "") for number in range(4)]
    with pytest.raises(DataError, match="more than 3 folders"):
        write_folders(lambda: rows, TableStyle("csv", NAMES), ["country"], tmp_path)
    assert [] == list(tmp_path.iterdir())


def test_values_that_share_a_folder_are_refused(tmp_path: Path) -> None:
    """Where the disk takes two names for one folder, no row overwrites another."""
    made: set[tuple[int, int]] = set()
    (tmp_path / "country=de").mkdir()
    (tmp_path / "country=DE").symlink_to("country=de")
    folders._make(tmp_path / "country=de", made)
    with pytest.raises(DataError, match="does not tell apart"):
        folders._make(tmp_path / "country=DE", made)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("DE", "c=DE"),
        (7, "c=7"),
        (True, "c=true"),
        (1.5, "c=1.5"),
        (None, "c=__HIVE_DEFAULT_PARTITION__"),
        ("a/b", "c=a%2Fb"),
        ("é", "c=é"),
    ],
)
def test_names(value: Any, expected: str) -> None:
    """A name is the column and the value, with what a name may not hold percent-encoded."""
    assert expected == folder_name("c", value)


@pytest.mark.parametrize("value", ["", [1], {"base64": "AA=="}, "x" * 300])
def test_values_that_cannot_be_a_name(value: Any) -> None:
    """An empty text, a list, bytes and a long text are refused with the column's name."""
    with pytest.raises(DataError, match="--partition-by c: "):
        folder_name("c", value)


@given(st.text())
def test_encoding_is_percent_encoding(text: str) -> None:
    """Python's own decoder finds the text, and no separator is left."""
    name = encoded(text)
    assert text == unquote(name)
    assert not set("/=\n\x00") & set(name)


def test_columns_that_folders_cannot_be_made_by() -> None:
    """A column that the table lacks, and all of its columns, are refused."""
    with pytest.raises(UsageError, match="no such column; it has: a, b"):
        check_columns(("a", "b"), ("c",))
    with pytest.raises(UsageError, match="no column is left"):
        check_columns(("a", "b"), ("b", "a"))
