"""Keys come back from the JSON of a part, and are shown as their plain values."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from mapreduce import Descending
from mapreduce.encoding import Key, Value, encode_key
from mapreduce.formats.json_values import json_key, jsonable, key_of_json, plain_key, typed_key
from tests.unit.mapreduce.any_keys import Colour, Name, Point, keys, values


@given(keys)
def test_a_key_keeps_its_bytes(key: Key) -> None:
    """The key of a part's JSON has the same order and partition."""
    assert encode_key(key) == encode_key(key_of_json(json.loads(json.dumps(json_key(key)))))


@given(keys)
def test_a_plain_key_is_the_value_as_json(key: Key) -> None:
    """A result shows a key as it shows a value."""
    assert repr(jsonable(key)) == repr(plain_key(json_key(key)))


@given(values)
def test_values_are_unchanged_by_json(value: Value) -> None:
    """Any value is unchanged by JSON after `jsonable`."""
    made = jsonable(value)
    assert repr(made) == repr(json.loads(json.dumps(made)))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (date(2026, 1, 31), "2026-01-31"),
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00+00:00"),
        (time(1, 2), "01:02:00"),
        (Decimal("1.50"), "1.50"),
        (b"a", {"base64": "YQ=="}),
        (Colour.BLUE, "b"),
        (Point(1, ("a",)), {"x": 1, "y": ["a"]}),
        (Name("a", 1), ["a", 1]),
        (Descending(("a", date(2026, 1, 1))), ["a", "2026-01-01"]),
    ],
)
def test_what_is_shown(value: Any, shown: Any) -> None:
    """Dates are ISO 8601, Decimals texts, members their values, dataclasses objects."""
    assert shown == jsonable(value)


def test_a_typed_key_keeps_what_a_column_has_a_type_for() -> None:
    """Dates, times and decimal numbers are themselves, also inside others; all else is plain."""
    key = (date(2026, 1, 2), Descending(Decimal("1.5")), b"x", Colour.RED, Point(1, time(2)))
    found = typed_key(json_key(key))
    plain = plain_key(json_key(key))
    assert [date(2026, 1, 2), Decimal("1.5")] == found[:2]
    assert plain[2:4] == found[2:4]
    assert time(2) in found[4].values()


@pytest.mark.parametrize("wrong", [{"x": ["a", "b"]}, {"decimal": "abc"}, {"x": ["a", {}]}, {}])
def test_what_is_no_key_is_a_value_error(wrong: Any) -> None:
    """JSON of a user's may be anything."""
    with pytest.raises(ValueError):
        key_of_json(wrong)
