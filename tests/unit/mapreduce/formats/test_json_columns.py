"""Named fields of JSON Lines: the same by columns and by lines, and of the declared types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mapreduce import native
from mapreduce.errors import JobLoadError, RecordError
from mapreduce.formats import json_columns
from mapreduce.formats.base import BadRecord
from mapreduce.formats.json_columns import NamedFields, WrongColumn, packed_columns
from mapreduce.formats.jsonl import JsonLinesReader
from mapreduce.input_formats import JsonLines
from tests.unit.mapreduce.formats.pieces import pieces_of, ranges_of, records_of
from tests.unit.mapreduce.formats.test_jsonl import json_values

FORM = JsonLines(columns={"s": str, "i": int, "f": float, "b": bool})
NAMES = ("s", "i", "f", "b")
fields = st.fixed_dictionaries(
    {},
    optional={
        "s": st.none() | st.text(),
        "i": st.none() | st.integers(-(1 << 63), (1 << 63) - 1),
        "f": st.none() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False),
        "b": st.none() | st.booleans(),
        "other": json_values,
    },
)
lines = st.one_of(
    st.builds(
        lambda value, ascii_only: json.dumps(value, ensure_ascii=ascii_only).encode(),
        fields,
        st.booleans(),
    ),
    st.builds(lambda value: json.dumps(value).encode(), json_values),
    st.sampled_from(
        [
            b"",
            b" {}",
            b'{"i":1}{"i":2}',
            b'{"i":\n1}',
            b"{}\r",
            b'{"s":"\xff"}',
            b'{"z":"\xff"}',
            b'{"i":1,"i":"x"}',
            b'{"i":"x","i":2}',
            b'{"f":1e999}',
            b'{"i":9223372036854775808}',
            b"{}\n}",
            b"{\n{}}",
            b'{"z":{}\n}',
        ]
    ),
)


def by_lines(content: bytes) -> list[dict[str, Any]] | None:
    """Return the records of the reader; None if it refuses a line."""
    pieces = pieces_of(content, FORM)
    try:
        records = records_of(JsonLinesReader(FORM), pieces, ranges_of(content))
    except RecordError:
        return None
    return [record for _, record in records]


@pytest.mark.parametrize("with_c", [True, False])
@given(parts=st.lists(lines, max_size=8), ended=st.booleans())
@example(parts=[b'{"i":1}', b'{"i":2}'], ended=True)
def test_columns_equal_lines(with_c: bool, parts: list[bytes], ended: bool) -> None:
    """What is read as columns is what the reader reads line by line."""
    content = b"\n".join(parts) + b"\n" * ended
    with pytest.MonkeyPatch.context() as patch:
        if not with_c:
            patch.setattr(native, "extension", None)
        patch.setattr(json_columns, "_PIECE_BYTES", 16)
        found = NamedFields(FORM.columns or {}).lists(content, NAMES)
    if found is None or not _is_utf8(content):
        return
    expected = by_lines(content)
    assert expected is not None
    rows = [[row[name] for name in NAMES] for row in expected]
    assert repr(rows) == repr([list(row) for row in zip(*found, strict=True)])  # 1 is not 1.0


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_usual_lines_are_read_as_columns() -> None:
    """One object a line, with or without a last line end."""
    content = b'{"i":1,"s":"a"}\n{"z":[1,{"i":2}],"f":3}'
    found = NamedFields(FORM.columns or {}).lists(content, ("i", "f"))
    assert found == [[1, None], [None, 3.0]]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"[1]", "it is [1], and not an object with the named fields"),
        (b'{"i":1.5}', "its field 'i' is 1.5, and not an integer of 64 bits"),
        (b'{"i":true}', "its field 'i' is True, and not an integer of 64 bits"),
        (b'{"i":9223372036854775808}', "not an integer of 64 bits"),
        (b'{"s":1}', "its field 's' is 1, and not a text"),
        (b'{"b":0}', "its field 'b' is 0, and not true or false"),
        (b'{"f":"1"}', "its field 'f' is '1', and not a number"),
        (b'{"f":1' + b"0" * 400 + b"}", "its field 'f' is too large for a float"),
    ],
)
def test_another_type_is_a_bad_record(line: bytes, said: str) -> None:
    """The error names the field, its value and the type; a lenient reader yields the line."""
    content = b'{"i":1}\n' + line
    pieces = pieces_of(content, FORM)
    with pytest.raises(RecordError) as failed:
        records_of(JsonLinesReader(FORM), pieces, ranges_of(content))
    assert said in str(failed.value)
    assert "at byte 8" in str(failed.value.place)
    lenient = records_of(JsonLinesReader(FORM, lenient=True), pieces, ranges_of(content))
    assert [type(record) for _, record in lenient] == [dict, BadRecord]


@pytest.mark.parametrize("line", [b"{", b'{"i":NaN}', b'{"z":"\xff"}', b'{"z":"\\ud800"}'])
def test_what_is_not_json_is_refused(line: bytes) -> None:
    """Also in a field that the job does not read."""
    pieces = pieces_of(line, FORM)
    with pytest.raises(RecordError, match="a line is not JSON"):
        records_of(JsonLinesReader(FORM), pieces, ranges_of(line))


def test_any_value_is_an_object() -> None:
    """A field of type `object` holds what the line has, integers of any size too."""
    form = JsonLines(columns={"x": object})
    content = b'{"x":[1,{"y":123456789012345678901234567890}]}\n{}'
    found = records_of(JsonLinesReader(form), pieces_of(content, form), ranges_of(content))
    assert [{"x": [1, {"y": 123456789012345678901234567890}]}, {"x": None}] == [
        record for _, record in found
    ]


def test_any_text_may_be_a_name() -> None:
    """Names need not be names in Python."""
    form = JsonLines(columns={"a b": int, "": str, "class": bool, "é": float})
    content = '{"a b":1,"":"x","class":true,"é":2.5}'.encode()
    found = records_of(JsonLinesReader(form), pieces_of(content, form), ranges_of(content))
    assert [record for _, record in found] == [{"a b": 1, "": "x", "class": True, "é": 2.5}]


@pytest.mark.parametrize("columns", [{}, {"a": "integer"}, {"a": list}, ["a"], {"\ud800": int}])
def test_wrong_columns_are_refused(columns: Any) -> None:
    """The types are str, int, float, bool and object."""
    with pytest.raises(JobLoadError, match="`columns` of JsonLines"):
        JsonLines(columns=columns)


@pytest.mark.parametrize("with_c", [True, False])
def test_names_that_json_escapes(monkeypatch: pytest.MonkeyPatch, with_c: bool) -> None:
    """A name may have quotes, backslashes and control characters; the rows are the same."""
    if not with_c:
        monkeypatch.setattr(native, "extension", None)
    columns: dict[str, Any] = {'q"x': int, "b\\s": int, "t\tn": str, "a": int}
    row = {'q"x': 1, "b\\s": 2, "t\tn": "x", "a": 4}
    content = f"{json.dumps(row)}\n{json.dumps({'a': 5})}\n".encode()
    form = JsonLines(columns=columns)
    found = records_of(JsonLinesReader(form), pieces_of(content, form), ranges_of(content))
    assert [record for _, record in found] == [row, dict.fromkeys(columns) | {"a": 5}]
    assert NamedFields(form.columns or {}).lists(content, ["a"]) is None
    packed = packed_columns(form.columns or {}, b'{"a": 5}\n', list(columns))
    assert packed is None or [each.listed() for each in packed[1]] == [[None], [None], [None], [5]]


@pytest.mark.parametrize("line", [b'{"f":3,"i":-5,"s":"\\u00e9"}', b'{"i":1}', b"{}"])
def test_a_checked_value_equals_a_decoded_one(line: bytes) -> None:
    """The slow way, for lines that the fast parser refuses, gives the same fields, in the order of
    the columns.
    """
    columns = FORM.columns or {}
    named = NamedFields(columns)
    assert list(columns) == list(named.row(line))
    assert repr(named.row(line)) == repr(named.checked(json.loads(line)))
    with pytest.raises(WrongColumn):
        named.checked("text")
