"""A file of a result appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from driver.output.files import stream_table, write_file, write_parts
from mapreduce.errors import DataError, NotWritten
from mapreduce.formats.table import Row, rows_of
from mapreduce.formats.table_files import TableStyle

ROWS: list[Row] = [("a", 1), ("b", None)]


def test_a_new_folder_is_made(tmp_path: Path) -> None:
    """The folders of the file are made, and nothing else lies in them afterwards."""
    path = tmp_path / "new" / "er" / "x.csv"
    write_file(lambda: ROWS, TableStyle("csv"), path)
    assert "key,value\na,1\nb,\n" == path.read_text()
    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet", "arrows", "json"])
def test_a_failed_write_leaves_the_old_file(tmp_path: Path, ending: str) -> None:
    """A pair that does not fit leaves the file that was there, and no partial one."""
    path = tmp_path / f"x.{ending}"
    path.write_text("old")
    names = ("a", "b", "c")
    with pytest.raises(DataError, match="has 2 fields, and `columns` 3: a, b, c"):
        write_file(
            lambda: rows_of([(["x", 1], 2), ("y", 3)], names),
            TableStyle(ending, names),  # type: ignore[arg-type]
            path,
        )
    assert "old" == path.read_text()
    assert [path] == list(tmp_path.iterdir())


def test_an_output_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    """An output below a file raises NotWritten."""
    (tmp_path / "file").touch()
    with pytest.raises(NotWritten, match=r"--output .*file/out\.json cannot be written: "):
        write_file(lambda: ROWS, TableStyle("json"), tmp_path / "file" / "out.json")


def test_a_column_has_one_type_in_all_parts(tmp_path: Path) -> None:
    """A part whose numbers are all whole has the floats of the others."""
    parts: list[list[Row]] = [[("a", 1)], [("b", 1.5)]]
    files = write_parts(
        [lambda: parts[0], lambda: parts[1]],
        lambda: [*parts[0], *parts[1]],
        TableStyle("parquet"),
        tmp_path,
    )
    assert ["part-00000.parquet", "part-00001.parquet"] == [path.name for path in files]
    with duckdb.connect() as connection:
        types = [
            connection.execute("SELECT typeof(value) FROM read_parquet(?)", [str(path)]).fetchall()
            for path in files
        ]
    assert [[("DOUBLE",)], [("DOUBLE",)]] == types


@pytest.mark.parametrize("ending", ["csv", "jsonl.zst", "parquet", "arrows"])
def test_a_stream_has_the_bytes_of_the_file(tmp_path: Path, ending: str) -> None:
    """What goes to standard output is what a file would hold."""
    style = TableStyle(ending)  # type: ignore[arg-type]
    write_file(lambda: ROWS, style, tmp_path / "x")
    (tmp_path / "scratch").mkdir()
    streamed = b"".join(stream_table(lambda: ROWS, style, lambda: tmp_path / "scratch"))
    assert (tmp_path / "x").read_bytes() == streamed
