"""Columns of separated values equal the fields of their rows, or are left to the row parser."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mapreduce import native
from mapreduce.errors import RecordError
from mapreduce.formats.row_parser import RowBlock, RowParser
from mapreduce.formats.separated_columns import TextColumn, text_columns
from mapreduce.input_formats import Csv

pytestmark = pytest.mark.skipif(
    native.extension is None, reason=f"the native extension is {native.why_not}"
)
FORMS = [Csv(), Csv(delimiter=";", quote="'"), Csv(quoting="none")]
pieces = st.lists(
    st.sampled_from(
        [
            ",",
            ";",
            '"',
            "'",
            "\n",
            "\r\n",
            "\r",
            "a",
            "é",
            "\0",
            '""',
            '","',
            '"\n',
            "\ufeff",
            "\n\n",
        ]
    ),
    max_size=25,
)


def rows_of(form: Csv, data: bytes, offset: int, width: int) -> list[list[str]] | None:
    """Return the rows of the row parser; None if it refuses one, or one has another width."""
    try:
        block = RowBlock(data, offset, "file:///input", RowParser(form).marks)
        rows = [row for _, row in RowParser(form).rows(block) if row]
    except RecordError:
        return None
    return rows if all(len(row) == width for row in rows) else None


@pytest.mark.parametrize("form", FORMS)
@given(parts=pieces, width=st.integers(1, 3), offset=st.sampled_from([0, 7]))
@example(parts=["a", ",", "a", "\r"], width=2, offset=7)
@example(parts=["a", "\r\n", "\r\n", "a"], width=1, offset=7)
@example(parts=['""', "\n", "\n"], width=1, offset=7)
def test_columns_equal_rows(form: Csv, parts: list[str], width: int, offset: int) -> None:
    """What is accepted has the fields of the row parser, and nothing that it refuses."""
    data = "".join(parts).encode()
    header = ["x", "y", "z"][:width]
    found = text_columns(form, data, offset, header, header)
    if found is not None:
        rows, columns = found
        expected = rows_of(form, data, offset, width)
        assert expected is not None
        assert len(expected) == rows
        assert [[row[at] for row in expected] for at in range(width)] == [
            column.texts() for column in columns
        ]


@pytest.mark.parametrize(
    "data",
    [
        b"1,2\n3,4\n",
        b"1,2\n\n\r\n3,4",
        b'"a\nb","c""d"\r\n",",\n',
        "é,\U0001f600\n".encode(),
        b",\n,\n",
        b"",
    ],
)
def test_usual_rows_are_accepted(data: bytes) -> None:
    """Quotes, line ends in quotes, empty fields and empty lines need no row parser."""
    found = text_columns(Csv(), data, 5, ["x", "y"], ["y"])
    assert found is not None
    expected = rows_of(Csv(), data, 5, 2)
    assert expected is not None
    assert (len(expected), [row[1] for row in expected]) == (found[0], found[1][0].texts())


@pytest.mark.parametrize(
    "data",
    [
        b"1\n",
        b"1,2,\n",
        b"1,2,3\n",
        b'a"b,2\n',
        b'"a"b,2\n',
        b'"a" ,2\n',
        b'"a,2\n',
        b"1,2\r3,4\n",
        b"1,2\r\r\n",
        b"\xff,2\n",
    ],
)
def test_broken_rows_are_left_to_the_row_parser(data: bytes) -> None:
    """The row parser names the row, or counts the bytes."""
    assert text_columns(Csv(), data, 5, ["x", "y"], ["x"]) is None


@pytest.mark.parametrize(
    "form",
    [
        Csv(escape="\\"),
        Csv(comment="#"),
        Csv(encoding="latin-1"),
        Csv(delimiter="§"),
        Csv(delimiter="\0"),
        Csv(quote="\0"),
    ],
)
def test_other_options_are_left_to_the_row_parser(form: Csv) -> None:
    """Only plain rows of UTF-8 are read as columns."""
    assert text_columns(form, b"1,2\n", 5, ["x", "y"], ["x"]) is None


def test_the_byte_order_mark_belongs_to_the_start_of_a_file() -> None:
    """Elsewhere the same bytes are a character."""
    data = "\ufeff1,2\n".encode()
    found = [text_columns(Csv(), data, offset, ["x", "y"], ["x"]) for offset in (0, 9)]
    texts = [columns[0].texts() for columns in (each[1] for each in found if each)]
    assert texts == [["1"], ["\ufeff1"]]


def test_a_column_of_no_rows_has_one_end() -> None:
    """Arrow's offsets begin with 0."""
    assert len(TextColumn(b"\0\0\0\0", b"")) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (b"", 10, 34, 2, (0,)),
        (b"", 200, 34, 2, (0,)),
        (b"", 0, 34, 2, (0,)),
        (b"", 44, 0, 2, (0,)),
        (b"", 44, 44, 2, (0,)),
        (b"", 44, 34, 0, ()),
        (b"", 44, 34, 2, (2,)),
        (b"", 44, 34, 2, (-1,)),
        (b"", 44, 34, 2, (0, 0)),
    ],
)
def test_wrong_arguments_are_refused(arguments: tuple[object, ...]) -> None:
    """The extension checks the marks and the places."""
    assert native.extension is not None
    with pytest.raises(ValueError, match="separated|places"):
        native.extension.separated(*arguments)
    with pytest.raises(TypeError):
        native.extension.separated("a", 44, 34, 2, (0,))
