"""A written result can be read by this program, and by the usual readers of each format."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mapreduce.encoding import Key, Value
from mapreduce.formats.json_values import jsonable
from mapreduce.formats.output import OutputFormat, read_pairs, write_pairs
from tests.unit.mapreduce.any_keys import keys, values

Pairs = list[tuple[Any, Any]]
plain_values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)


def written(pairs: Pairs, style: OutputFormat, *, as_object: bool = False) -> bytes:
    """Return the whole result of pairs as a job yields them."""
    made = ((jsonable(key), jsonable(value)) for key, value in pairs)
    return b"".join(write_pairs(made, style, as_object=as_object))


@given(st.lists(st.tuples(keys, values), max_size=8), st.sampled_from(["jsonl", "json"]))
@example([("}", "],"), ("{", ","), (("]",), "["), ("\n", "\r\n\u2028")], "json")
@example([(" ", " "), (1 << 90, 1 << 90)], "jsonl")
def test_round_trip(pairs: Pairs, style: OutputFormat) -> None:
    """Pairs are equal after JSON Lines and a JSON list, with exact types."""
    expected = [(jsonable(key), jsonable(value)) for key, value in pairs]
    content = written(pairs, style)
    assert repr(expected) == repr(list(read_pairs(io.BytesIO(content))))


@given(st.dictionaries(st.text(), values, max_size=8))
@example({"}": 1, "{": "},", "": [], "a\nb": {"x": "\n"}})
def test_json_object(result: dict[str, Value]) -> None:
    """A result with str keys is one JSON object in the order of the pairs, for json and for our
    reader.
    """
    content = written(list(result.items()), "json", as_object=True)
    expected = [(key, jsonable(value)) for key, value in result.items()]
    assert repr(expected) == repr(list(json.loads(content).items()))
    assert repr(expected) == repr(list(read_pairs(io.BytesIO(content))))


@given(st.lists(st.tuples(keys, values), max_size=8))
def test_json_lines_and_list_by_json(pairs: Pairs) -> None:
    """Python's json reads a JSON list as a whole, and JSON Lines by line."""
    expected = [[jsonable(key), jsonable(value)] for key, value in pairs]
    assert repr(expected) == repr(json.loads(written(pairs, "json")))
    lines = written(pairs, "jsonl").decode().split("\n")
    assert "" == lines.pop()
    assert repr(expected) == repr([[line["key"], line["value"]] for line in map(json.loads, lines)])


@pytest.mark.parametrize(("style", "dialect"), [("csv", "excel"), ("tsv", "excel-tab")])
@given(pairs=st.lists(st.tuples(st.text(), plain_values), max_size=8))
@example(pairs=[('a,"b"', "c\td"), ("\n", ""), ("", "\r\n"), ("'", None)])
@example(pairs=[("carriage\rreturn", 1)])
def test_separated(style: OutputFormat, dialect: str, pairs: Pairs) -> None:
    """Python's csv reads texts unchanged, and other values as JSON."""
    rows = list(csv.reader(io.StringIO(written(pairs, style).decode(), newline=""), dialect))
    expected = [
        [key, value if type(value) is str else json.loads(json.dumps(value))]
        for key, value in pairs
    ]
    assert ["key", "value"] == rows.pop(0)
    assert len(pairs) == len(rows)
    texts = [type(value) is str for _, value in pairs]
    found = [
        [key, cell if text else json.loads(cell)]
        for (key, cell), text in zip(rows, texts, strict=True)
    ]
    assert repr(expected) == repr(found)


def test_separated_in_pieces() -> None:
    """A long result is written in several blocks."""
    pairs: Pairs = [(f"key {number}", "x" * 100) for number in range(3000)]
    pieces = list(write_pairs(pairs, "csv", as_object=False))
    rows = list(csv.reader(io.StringIO(b"".join(pieces).decode(), newline="")))
    assert len(pieces) > 3
    assert [["key", "value"], *map(list, pairs)] == rows


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"\x00\xff", '{"key":{"base64":"AP8="},"value":1}\n'),
        (("a", (b"", 1.0), True), '{"key":["a",[{"base64":""},1.0],true],"value":1}\n'),
        ('é"', '{"key":"é\\"","value":1}\n'),
    ],
)
def test_written_keys(key: Key, expected: str) -> None:
    """Bytes are base64, and tuples are lists."""
    assert expected == written([(key, 1)], "jsonl").decode()


@pytest.mark.parametrize(("as_object", "expected"), [(True, {}), (False, [])])
def test_empty_results(as_object: bool, expected: Any) -> None:
    """A result without pairs is an empty object or list, and is read as no pairs."""
    content = written([], "json", as_object=as_object)
    assert expected == json.loads(content)
    assert [] == list(read_pairs(io.BytesIO(content)))
    assert [] == list(read_pairs([]))
