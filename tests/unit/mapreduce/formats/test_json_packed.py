"""Columns of JSON Lines that the native extension reads equal those of the format's rows."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mapreduce import native
from mapreduce.columns.database import opened
from mapreduce.columns.table import Table
from mapreduce.errors import RecordError
from mapreduce.formats.json_columns import packed_columns
from mapreduce.formats.jsonl import JsonLinesReader
from mapreduce.input_formats import ColumnKind, JsonLines
from mapreduce.wire.messages import ByteRange

pytestmark = pytest.mark.skipif(
    native.extension is None, reason=f"the native extension is {native.why_not}"
)
COLUMNS: dict[str, ColumnKind] = {"s": "str", "i": "int", "f": "float", "b": "bool", "é": "str"}
FORM = JsonLines(columns=COLUMNS)
TOKENS = [
    *(
        '{ } [ ] : , "s" "i" "f" "b" "é" "other" {"s":"a"} {"i":1,"b":true} "s":"x" "i":-12 '
        '"f":1.5 "b":false "s":null "o":{"a":[1,{"b":2}]} "o":[] "" "\\n\\u00e9\\/" '
        '"\\ud83d\\ude00" "\\u12" "\\x" 0 -0 -0.0 01 1. .5 1e5 1E-7 1e400 123456789012345678 '
        "9223372036854775808 0.1 3.141592653589793238 null true false tru NaN"
    ).split(),
    "\n",
    "\r\n",
    "\r",
    " ",
    "\t",
    "\0",
    "\x01",
    '"a b"',
    '"é\U0001f600"',
    "\ufeff",
    "\v",
]
values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
objects = st.dictionaries(
    st.sampled_from([*COLUMNS, "o"]) | st.text(max_size=2),
    values
    | st.lists(values, max_size=2)
    | st.dictionaries(st.text(max_size=2), values, max_size=2),
    max_size=6,
)
rows_of_types = st.fixed_dictionaries(
    {},
    optional={
        "s": st.none() | st.text(),
        "i": st.none() | st.integers(-(1 << 63), (1 << 63) - 1),
        "f": st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9),
        "b": st.none() | st.booleans(),
        "é": st.text(alphabet='"\\/\n\x00\x7fé\u2028\U0001f600'),
        "o": values,
    },
)


def rows_of(data: bytes) -> list[dict[str, Any]] | None:
    """Return the rows of the format; None if a line is none."""
    whole = ByteRange(
        url="file:///in", etag="", size=len(data), start=0, end=len(data), source="file:///in"
    ).model_copy(update={"format": FORM})
    try:
        batches = JsonLinesReader(FORM).batches(whole, lambda start, end: iter([data[start:end]]))
        return [row for batch in batches for _, row in batch.records]
    except RecordError:
        return None


def shown(columns: list[list[Any]]) -> str:
    """Return values as text: -0.0 is not 0.0, and True is not 1."""
    return repr(columns)


def check(data: bytes) -> bool:
    """Hold the columns against the rows; return whether the extension read the lines."""
    found = packed_columns(COLUMNS, data, list(COLUMNS))
    if found is None:
        return False
    length, columns = found
    rows = rows_of(data)
    assert rows is not None, data
    assert length == len(rows)
    wanted = [[row[name] for row in rows] for name in COLUMNS]
    assert shown(wanted) == shown([column.listed() for column in columns])
    table = Table({name: (COLUMNS[name], each) for name, each in zip(COLUMNS, columns)}, length)  # noqa: B905
    with opened() as connection:
        connection.register("t", table)
        in_sql = [list(row) for row in connection.execute("SELECT * FROM t").fetchall()]
    assert shown([[row[name] for name in COLUMNS] for row in rows]) == shown(in_sql)
    return True


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=14))
@example(['{"s":"a"}', "\r"])
@example(['{"s":"a"}', "\r", "\n", "\n", " ", "\n", "{", "}"])
@example(["{", '"f"', ":", "-0.0", "}"])
@example(["{", '"f"', ":", "-0", "}"])
@example(["{", '"i"', ":", "-0", "}"])
@example(["{", '"o"', ":", "1e400", "}"])
@example(["{", '"s":"x"', ",", '"s":"x"', "}"])
@example(["{", '"s":"x"', ",", "}"])
def test_any_tokens(tokens: list[str]) -> None:
    """What is accepted has the values of the rows; nothing that they refuse is accepted."""
    check("".join(tokens).encode())


@settings(max_examples=200, deadline=None)
@given(
    st.lists(objects | rows_of_types, max_size=6), st.booleans(), st.sampled_from(["\n", "\r\n"])
)
def test_any_objects(rows: list[dict[str, Any]], ascii_only: bool, end: str) -> None:
    """Escapes, nested values, missing fields and other types change nothing."""
    text = end.join(json.dumps(row, ensure_ascii=ascii_only) for row in rows)
    with suppress(UnicodeEncodeError):
        check(text.encode())


@settings(deadline=None)
@given(
    st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["r", ".17g", ".20f", "e"])
)
def test_floats_to_the_last_bit(number: float, style: str) -> None:
    """However a float is written."""
    text = repr(number) if style == "r" else format(number, style)
    found = packed_columns(COLUMNS, f'{{"f": {text}}}'.encode(), ["f"])
    if found is not None:
        assert repr([float(text)]) == repr(found[1][0].listed())


def test_usual_lines_are_read_by_the_extension() -> None:
    """As programs write them: not left to Python."""
    row = {"o": [{"x": None}], "i": -5, "s": 'a "b"\n', "f": 2.5, "b": True, "é": "\u20ac"}
    for separators in ((",", ":"), (", ", ": ")):
        line = json.dumps(row, separators=separators, ensure_ascii=False)
        assert check(f"{line}\n{line}\r\n\n{line}".encode())
    many = "\n".join(json.dumps({"i": i, "s": None if i % 3 else str(i)}) for i in range(5000))
    assert check(many.encode())


def test_what_is_left_to_python() -> None:
    """Another type, a field that is there twice, an object that goes on, half a surrogate pair."""
    for line in (
        '{"i": 1.0}',
        '{"i": "1"}',
        '{"s": 1}',
        '{"b": 1}',
        '{"i": 1, "i": 2}',
        '{"s":\n1}',
    ):
        assert packed_columns(COLUMNS, line.encode(), ["s", "i", "b"]) is None
    assert packed_columns(COLUMNS, b'{"s": "\\ud800"}', ["s"]) is None
    assert packed_columns(COLUMNS, b'{"o": ' + b"[" * 100 + b"]" * 100 + b"}", ["s"]) is None
    # a row is bad if any typed column is, also one that the query does not read
    assert packed_columns(COLUMNS, b'{"s": 1, "i": 2}', ["i"]) is None
    assert packed_columns({"any": "object"}, b'{"any": 1}', ["any"]) is None
