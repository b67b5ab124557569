"""The chosen columns of separated values: a part of each row, and the errors of whole rows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mapreduce import native
from mapreduce.check.reference_formats import plain_records
from mapreduce.errors import JobLoadError, RecordError
from mapreduce.formats import named_rows
from mapreduce.formats.base import BadRecord
from mapreduce.formats.row_parser import RowBlock, RowParser
from mapreduce.formats.separated import CsvReader, marked
from mapreduce.input_formats import Csv
from tests.unit.mapreduce.formats.pieces import pieces_of, ranges_of, records_of
from tests.unit.mapreduce.formats.test_separated import Written, cuts, read, written

NAMES = ["id", "né", "x", "y"]
choices = st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(tuple)
LINES = "\ufeffid,né,x,y\n1,é,,\U0001f600\n\r\n2,b,c,d\r\n3,,e,"


@given(written(Csv(), NAMES), choices, cuts, st.integers(1, 40))
@example(Written([], LINES.encode()), ("y", "né"), [20, 21, 22], 3)
@example(Written([], LINES.replace("\n\r\n", "\n").encode()), ("né",), [], 1000)
def test_rows_of_chosen_columns(
    table: Written, columns: tuple[str, ...], places: list[int], block_bytes: int
) -> None:
    """A row is that of all columns without the others, in the order of the choice."""
    whole = read(table.content, Csv(), places, block_bytes)
    expected = [(at, [(name, row[name]) for name in columns]) for at, row in whole]
    form = Csv(columns=columns)
    found = read(table.content, form, places, block_bytes)
    assert expected == [(at, list(row.items())) for at, row in found]
    assert found == list(plain_records(table.content, form, ()))


def test_lines_without_quotes_are_read_by_the_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extension makes the rows of lines without quotes, and the parser all others; no block is
    read by both.
    """
    if native.extension is None:
        pytest.skip(f"the native extension is {native.why_not}")
    form, made, parsed = Csv(columns=("b",)), [], []
    by_extension, parse = named_rows.NamedRows.by_extension, RowParser.rows

    def noted(*given: Any) -> Any:
        rows = by_extension(*given)
        made.append(rows is not None)
        return rows

    def also_noted(parser: RowParser, block: RowBlock) -> Any:
        parsed.append(block.offset > 0)
        return parse(parser, block)

    monkeypatch.setattr(named_rows.NamedRows, "by_extension", noted)
    monkeypatch.setattr(RowParser, "rows", also_noted)
    for content in (b"a,b\n1,2\n3,4\n", b'a,b\n1,"2"\n3,4\n', b"a,b\n1,2\n\n3,4\n"):
        assert ["2", "4"] == [row["b"] for _, row in read(content, form)]
    assert [True, False, False] == made
    assert [False, False, True, False, True] == parsed, "each header, and the rows of two"


@pytest.mark.parametrize("row", [b"3", b"3,4,5", b'3,4"', b'"3,4'])
def test_a_broken_row_is_one_without_its_columns(row: bytes) -> None:
    """What no chosen column holds is checked all the same, and the rows before it are read."""
    content, form = b"a,b\n1,2\n" + row + b"\n5,6\n", Csv(columns=("a",))
    ranges = ranges_of(content)
    pieces = marked(pieces_of(content, form), ranges)
    with pytest.raises(RecordError) as caught:
        records_of(CsvReader(form), pieces, ranges)
    with pytest.raises(RecordError) as expected:
        records_of(CsvReader(Csv()), marked(pieces_of(content, Csv()), ranges), ranges)
    assert str(expected.value) == str(caught.value)


def test_a_bad_row_is_set_aside() -> None:
    """A lenient reader yields a row of another width as a bad record."""
    content, form = b"a,b\n1,2\n3\n5,6\n", Csv(columns=("b",))
    ranges = ranges_of(content)
    pieces = marked(pieces_of(content, form), ranges)
    (_, first), (at, bad), (_, last) = records_of(CsvReader(form, lenient=True), pieces, ranges)
    assert ({"b": "2"}, 8, {"b": "6"}) == (first, at, last)
    assert isinstance(bad, BadRecord)


def test_a_column_that_the_header_has_not() -> None:
    """It is refused when the run is planned, with the names that there are."""
    content, form = b"a,b\n1,2\n", Csv(columns=("b", "c"))
    with pytest.raises(RecordError, match="has no column 'c', only 'a', 'b'"):
        marked(pieces_of(content, form), ranges_of(content))


@pytest.mark.parametrize(
    ("columns", "header", "cause"),
    [
        ((), True, "at least one"),
        (("a", "a"), True, "none twice"),
        (("a",), False, "needs names"),
        (("a", "c"), ("a", "b"), "header has not"),
    ],
)
def test_choices_that_no_file_has(
    columns: tuple[str, ...], header: bool | tuple[str, ...], cause: str
) -> None:
    """A choice needs names, each once, and those of `header` if it has some."""
    with pytest.raises(JobLoadError, match=cause):
        Csv(columns=columns, header=header)
