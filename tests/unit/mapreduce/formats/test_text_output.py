"""CSV is read by Python's csv module and DuckDB, TSV by splitting lines and fields."""

from __future__ import annotations

import csv
import datetime
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mapreduce.formats.table import NotARow, Row
from mapreduce.formats.text_output import write_csv, write_tsv, write_values

NAMES = ("a", "b", "c")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
cells = st.none() | texts | st.integers() | st.booleans() | st.lists(texts, max_size=2)
rows = st.lists(st.tuples(cells, cells, cells), max_size=6)
HOSTILE: list[Row] = [
    ("tab\there", 'quote "x"', "line\nfeed"),
    ("\r", "\r\n", "\\n"),
    ("", None, "\\N"),
    ("\x00", "\u2028", "\ufeff"),
    ("a,b", " a ", "'"),
]


def text(value: Any) -> str:
    """Return the text of a cell that is not None."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


@given(rows)
@example(HOSTILE)
def test_csv_by_python(rows: list[Row]) -> None:
    """Python's csv finds every text, and other values as JSON."""
    content = b"".join(write_csv(rows, NAMES, header=True)).decode()
    found = list(csv.reader(io.StringIO(content, newline="")))
    assert list(NAMES) == found.pop(0)
    assert len(rows) == len(found)
    for row, line in zip(rows, found, strict=True):
        for value, cell in zip(row, line, strict=True):
            if isinstance(value, list):
                assert value == json.loads(cell)
            else:
                assert ("" if value is None else text(value)) == cell


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(texts, st.none() | texts), min_size=1, max_size=5))
@example([("", None), (None, ""), ('"', "\n"), ("\r", ","), ("NULL", "null")])
def test_csv_by_duckdb(tmp_path: Path, rows: list[Row]) -> None:
    """DuckDB tells an empty text from None."""
    path = tmp_path / "x.csv"
    path.write_bytes(b"".join(write_csv(rows, ("a", "b"), header=True)))
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT * FROM read_csv(?, header = true, delim = ',', quote = '\"', escape = '\"', "
            "columns = {'a': 'VARCHAR', 'b': 'VARCHAR'}, allow_quoted_nulls = false, "
            "new_line = '\\n', auto_detect = false)",
            [str(path)],
        ).fetchall()
    if not any("\x00" in (cell or "") for row in rows for cell in row):
        assert rows == found


@given(rows)
@example(HOSTILE)
def test_tsv_by_lines_and_tabs(rows: list[Row]) -> None:
    """A line is a row and a tab a border, whatever the fields hold; escapes give the text back."""
    content = b"".join(write_tsv(rows, NAMES, header=False)).decode()
    lines = content.split("\n")
    assert "" == lines.pop()
    assert len(rows) == len(lines)
    assert "\r" not in content
    for row, line in zip(rows, lines, strict=True):
        found = [unescaped(field) for field in line.split("\t")]
        expected = [None if value is None else value for value in row]
        for value, cell in zip(expected, found, strict=True):
            if isinstance(value, list):
                assert cell is not None
                assert value == json.loads(cell)
            else:
                assert (None if value is None else text(value)) == cell


def unescaped(field: str) -> str | None:
    """Return the text of a TSV field, as PostgreSQL's COPY and Hive read it."""
    if field == "\\N":
        return None
    made, letters = "", iter(field)
    for letter in letters:
        if letter == "\\":
            letter = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}[next(letters)]
        made += letter
    return made


def test_no_quotes_in_tsv() -> None:
    """A quote stays as it is, as `cut` and Hadoop expect it."""
    row = ('"Oh, God", he thought', 3)
    assert b'"Oh, God", he thought\t3\n' == b"".join(write_tsv([row], ("k", "v"), header=False))


def test_dates_and_decimals_are_texts() -> None:
    """A date, a time and a Decimal have no quotes of JSON."""
    moment = datetime.datetime(2026, 11, 27, 1, 2, 3, tzinfo=datetime.UTC)
    row = (moment.date(), moment, Decimal("1.50"))
    assert b"2026-11-27\t2026-11-27T01:02:03Z\t1.50\n" == b"".join(
        write_tsv([row], NAMES, header=False)
    )


def test_header() -> None:
    """The names stand first, as cells, unless they are not wanted."""
    assert b'"a,b",c\n' == b"".join(write_csv([], ("a,b", "c"), header=True))
    assert b"a\\tb\tc\n" == b"".join(write_tsv([], ("a\tb", "c"), header=True))
    assert b"" == b"".join(write_csv([], ("a", "b"), header=False))


def test_one_column_has_a_line_for_each_row() -> None:
    """A csv reader skips an empty line, so None in the only column is an empty text there."""
    content = b"".join(write_csv([(None,), ("",), ("x",)], ("a",), header=False)).decode()
    assert [[""], [""], ["x"]] == list(csv.reader(io.StringIO(content, newline="")))


def test_values() -> None:
    """A .txt file has the values, texts as they are and others as JSON."""
    pairs: list[Row] = [("k", "a\tb"), ("k", 3), ("k", ["x", 1]), ("k", None), ("k", "")]
    assert b'a\tb\n3\n["x",1]\nnull\n\n' == b"".join(write_values(pairs))


def test_a_value_of_two_lines_is_refused() -> None:
    """A line feed would make two values of one."""
    with pytest.raises(NotARow, match=r"'k', 'a\\nb' has a line feed"):
        list(write_values([("k", "a\nb")]))


def test_a_long_table_is_written_in_blocks() -> None:
    """A long table is written in several blocks, whole."""
    made: list[Row] = [(f"key {number}", "x" * 100) for number in range(3000)]
    blocks = list(write_csv(made, ("k", "v"), header=False))
    assert len(blocks) > 3
    found = csv.reader(io.StringIO(b"".join(blocks).decode(), newline=""))
    assert [list(row) for row in made] == list(found)
