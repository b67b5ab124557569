"""The type of a column follows from all of its values."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest

from mapreduce.formats.column_types import MOST_DEPTH, MOST_FIELDS, Profile, json_text, quoted_name


def sql_of(*values: Any) -> str:
    """Return the SQL type of a column of these values."""
    profile = Profile()
    for value in values:
        profile.add(value)
    return f"{profile.type.sql} of JSON" if profile.type.kind == "json" else profile.type.sql


def nested(depth: int) -> Any:
    """Return a list in a list in a list."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1, True), "VARCHAR of JSON"),
        ((1, "1"), "VARCHAR of JSON"),
        (("1", b"1"), "VARCHAR of JSON"),
        ((1.0, True), "VARCHAR of JSON"),
        ((datetime.date(2026, 1, 1), datetime.datetime(2026, 1, 1)), "VARCHAR of JSON"),
        ((Decimal(1), 1.5), "VARCHAR of JSON"),
        ((datetime.time(1, tzinfo=datetime.UTC),), "VARCHAR of JSON"),
        ((Decimal("NaN"),), "VARCHAR of JSON"),
        ((Decimal(10) ** 36, Decimal("0.1")), "DECIMAL(38, 1)"),
        ((Decimal(10) ** 37, Decimal("0.1")), "VARCHAR of JSON"),
        ((Decimal(1), -1000), "DECIMAL(4, 0)"),
        ((Decimal(1), 10**38), "VARCHAR of JSON"),
        ((nested(MOST_DEPTH),), "BIGINT" + "[]" * MOST_DEPTH),
        ((nested(MOST_DEPTH + 1),), "VARCHAR of JSON"),
        (({str(name): 1 for name in range(MOST_FIELDS + 1)},), "VARCHAR of JSON"),
        (([1, "a"] * MOST_FIELDS,), "VARCHAR of JSON"),
        (({"a\x00": 1},), "VARCHAR of JSON"),
        (({"a": [1, "x"]}, {"a": ["y"]}), 'STRUCT("a" VARCHAR)'),
        (([1, 2.5],), "DOUBLE[]"),
        (([None],), "VARCHAR[]"),
        (([[1, "a"], [2, "b"]],), 'STRUCT("_1" BIGINT, "_2" VARCHAR)[]'),
    ],
)
def test_types(values: tuple[Any, ...], expected: str) -> None:
    """Values have one type that holds all of them unchanged, or are JSON texts."""
    assert expected == sql_of(*values)


def test_json_texts() -> None:
    """A JSON text has bytes as the parts have them, and what JSON lacks as a text."""
    value = {"a": (b"\xff", Decimal("1.50"), datetime.date(2026, 1, 2)), "b": None}
    assert '{"a":[{"base64":"/w=="},"1.50","2026-01-02"],"b":null}' == json_text(value)
    assert json_text(None) is None


def test_quoted_names() -> None:
    """A quote in a name is doubled."""
    assert '"a ""b"""' == quoted_name('a "b"')
