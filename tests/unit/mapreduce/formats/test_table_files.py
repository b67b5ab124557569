"""Files of every format, read by programs that did not write them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import duckdb
import nanoarrow
import pytest
from backports import zstd

from mapreduce.errors import DataError, UsageError
from mapreduce.formats.table import Row, rows_of
from mapreduce.formats.table_files import (
    FORMATS,
    FileFormat,
    TableStyle,
    columns_of,
    format_of,
    table_blocks,
    write_table,
)

NAMES = ("user", "orders", "amount")
ROWS: list[Row] = [("ann", 2, 4.5), ("bob", None, 1)]


def content_of(path: Path) -> bytes:
    """Return a file's bytes, unpacked."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(data)
    return zstd.decompress(data) if path.suffix == ".zst" else data


def read(path: Path, kind: str) -> list[Any]:
    """Return the rows of a file, by a reader of its format."""
    data = content_of(path)
    if kind == "parquet":
        with duckdb.connect() as connection:
            return connection.execute(f"SELECT * FROM '{path}'").fetchall()
    if kind == "arrows":
        stream = nanoarrow.ArrayStream.from_readable(data)
        return [tuple(row.values()) for row in stream.read_all().to_pylist()]
    if kind in ("json", "jsonl"):
        text = data.decode()
        items = json.loads(text) if kind == "json" else map(json.loads, text.splitlines())
        return [tuple(item.values()) for item in items]
    return data.decode().splitlines()


@pytest.mark.parametrize("style", [each for each in FORMATS if not each.startswith("txt")])
def test_every_format(tmp_path: Path, style: FileFormat) -> None:
    """A table comes back from every format, also compressed."""
    path = tmp_path / f"x.{style}"
    made = TableStyle(style, NAMES)
    write_table(lambda: ROWS, made, path)
    expected: list[Any] = ROWS
    if made.kind == "csv":
        expected = ["user,orders,amount", "ann,2,4.5", "bob,,1"]
    elif made.kind == "tsv":
        expected = ["user\torders\tamount", "ann\t2\t4.5", "bob\t\\N\t1"]
    assert expected == read(path, made.kind)


def test_values_alone(tmp_path: Path) -> None:
    """A .txt file has the values, compressed by its name."""
    path = tmp_path / "x.txt.gz"
    write_table(lambda: [("k", "a"), ("k", 1)], TableStyle("txt.gz"), path)
    assert b"a\n1\n" == gzip.decompress(path.read_bytes())


def test_equal_tables_are_equal_files(tmp_path: Path) -> None:
    """A compressed file holds no time, and no name."""
    for name in ("a.csv.gz", "b.csv.gz"):
        write_table(lambda: ROWS, TableStyle("csv.gz", NAMES), tmp_path / name)
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()


@pytest.mark.parametrize(
    ("pairs", "in_key_order", "expected"),
    [
        ([("a", 1), ("b", 2)], True, {"a": 1, "b": 2}),
        ([("a", 1), ("a", 2)], True, [["a", 1], ["a", 2]]),
        ([(1, "x"), ("b", 2)], True, [[1, "x"], ["b", 2]]),
        ([("a", 1), ("b", 2)], False, [["a", 1], ["b", 2]]),
        ([], True, {}),
    ],
)
def test_json_is_an_object_only_when_no_key_comes_twice(
    pairs: list[Row], in_key_order: bool, expected: Any
) -> None:
    """JSON is an object of unique strs in key order, and else a list of pairs."""
    style = TableStyle("json", in_key_order=in_key_order)
    assert expected == json.loads(b"".join(table_blocks(lambda: pairs, style)))


def test_a_long_arrow_stream(tmp_path: Path) -> None:
    """A stream of many batches has every row."""
    rows: list[Row] = [(number, [number]) for number in range(25_000)]
    write_table(lambda: rows, TableStyle("arrows"), tmp_path / "x.arrows")
    assert rows == read(tmp_path / "x.arrows", "arrows")


@pytest.mark.parametrize("style", ["parquet", "arrows", "csv", "jsonl"])
def test_an_empty_table(tmp_path: Path, style: FileFormat) -> None:
    """A result without pairs is a file without rows."""
    path = tmp_path / f"x.{style}"
    write_table(list, TableStyle(style, NAMES), path)
    assert ([",".join(NAMES)] if style == "csv" else []) == read(path, style)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("x.JSONL", "jsonl"), ("a.b/x.csv.GZ", "csv.gz"), ("x.tar.tsv", "tsv"), (".txt", "txt")],
)
def test_the_ending_says_the_format(name: str, expected: str) -> None:
    """The ending of the name says the format, in small or capital letters."""
    assert expected == format_of(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x", "must be one of .json"),
        ("x.doc", "must be one of .json"),
        ("x.gz", "must be one of .json"),
        ("x.xlsx", "write .csv, which a spreadsheet opens"),
        ("x.arrow", "write .arrows, or .parquet"),
        ("x.feather", "for an Arrow stream"),
        ("x.csv.bz2", "write .gz or .zst"),
        ("x.parquet.gz", ".parquet is not compressed again"),
    ],
)
def test_endings_that_are_refused(name: str, message: str) -> None:
    """An ending without a format is refused with the one to write."""
    with pytest.raises(UsageError, match=message):
        format_of(name)


@pytest.mark.parametrize(
    ("style", "message"),
    [
        (TableStyle("txt", NAMES), "the result has columns"),
        (TableStyle("parquet", header=False), "--no-header: .parquet has no header"),
        (TableStyle("jsonl.gz", header=False), "--no-header: .jsonl has no header"),
    ],
)
def test_styles_that_are_refused(style: TableStyle, message: str) -> None:
    """Options that a format does not have are refused."""
    with pytest.raises(UsageError, match=message):
        style.checked()


@pytest.mark.parametrize("style", ["csv", "csv.zst", "parquet", "arrows", "json"])
def test_a_pair_that_is_no_row(tmp_path: Path, style: FileFormat) -> None:
    """A pair that does not fill the columns is an error of the data, which names it."""
    with pytest.raises(DataError, match="the pair 'k', 1 has 2 fields"):
        write_table(lambda: rows_of([("k", 1)], NAMES), TableStyle(style, NAMES), tmp_path / "x")


def test_types_only_where_they_are_needed() -> None:
    """Text needs no pass over the rows for the types of its columns."""
    assert columns_of(lambda: 1 / 0, TableStyle("csv")) is None  # type: ignore[arg-type,return-value]
