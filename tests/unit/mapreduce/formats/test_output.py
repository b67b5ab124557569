"""A written result can be read by this program, and by the usual readers of each format."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mapreduce.encoding import Key, Value
from mapreduce.formats.json_values import jsonable
from mapreduce.formats.output import (
    JsonStyle,
    read_pairs,
    value_of_json,
    write_objects,
    write_pairs,
)
from tests.unit.mapreduce.any_keys import keys, values

Pairs = list[tuple[Any, Any]]


def written(pairs: Pairs, style: JsonStyle, *, as_object: bool = False) -> bytes:
    """Return the whole result of pairs as a job yields them."""
    made = ((jsonable(key), jsonable(value)) for key, value in pairs)
    return b"".join(write_pairs(made, style, as_object=as_object))


@given(st.lists(st.tuples(keys, values), max_size=8), st.sampled_from(["jsonl", "json"]))
@example([("}", "],"), ("{", ","), (("]",), "["), ("\n", "\r\n\u2028")], "json")
@example([(" ", " "), (1 << 90, 1 << 90)], "jsonl")
def test_round_trip(pairs: Pairs, style: JsonStyle) -> None:
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


@given(values)
def test_values_come_back_from_json(value: Value) -> None:
    """Bytes inside a value come back as bytes, and everything else as JSON has it."""
    made = jsonable(value)
    assert repr(made) == repr(jsonable(value_of_json(made)))


def test_bytes_come_back() -> None:
    """Bytes come back wherever they are."""
    value = [b"\xff", {"a": [b""]}, "x"]
    assert value == value_of_json(jsonable(value))


@pytest.mark.parametrize(
    "value", [{"base64": "A"}, {"base64": 1}, {"base64": "AA==", "x": 1}, {"base64": "AB=="}, {}]
)
def test_a_dict_that_is_not_bytes(value: Any) -> None:
    """Only an object of that one name, with a text as we write it, is bytes."""
    assert value == value_of_json(value)


@given(st.lists(st.tuples(st.text(), values), max_size=6))
def test_objects(pairs: Pairs) -> None:
    """Rows with names are objects: lines of JSON, or the items of a list."""
    rows = [(key, jsonable(value)) for key, value in pairs]
    expected = [{"a": key, 'b"': value} for key, value in rows]
    whole = b"".join(write_objects(rows, ("a", 'b"'), "json"))
    assert repr(expected) == repr(json.loads(whole))
    lines = b"".join(write_objects(rows, ("a", 'b"'), "jsonl")).decode().split("\n")
    assert "" == lines.pop()
    assert repr(expected) == repr(list(map(json.loads, lines)))


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
