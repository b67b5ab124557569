"""A table in Parquet has all rows in order, and the types of its values, as DuckDB reads it."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapreduce.encoding import Key, Value
from mapreduce.formats import parquet_output
from mapreduce.formats.column_types import ColumnType
from mapreduce.formats.json_values import jsonable
from mapreduce.formats.output import value_of_json
from mapreduce.formats.parquet_output import write_parquet
from mapreduce.formats.typed_rows import Typed
from tests.unit.mapreduce.any_keys import keys, values

Pairs = list[tuple[Any, Any]]
MOMENT = datetime.datetime(2026, 1, 1, 1, 2, 3, 4)


def written(path: Path, pairs: Pairs) -> tuple[list[str], Pairs]:
    """Return the types of the columns, and the rows."""
    made = [(jsonable(key), jsonable(value)) for key, value in pairs]
    write_parquet(lambda: made, path)
    with duckdb.connect() as connection:
        found = connection.execute("SELECT key, value FROM read_parquet(?)", [str(path)])
        types = [str(column[1]) for column in found.description or ()]
        return types, found.fetchall()


@pytest.mark.parametrize(
    ("cells", "sql_type", "expected"),
    [
        (["b", "a", "é\x00\n"], "VARCHAR", ["b", "a", "é\x00\n"]),
        (["a", None, ""], "VARCHAR", ["a", None, ""]),
        ([2, -(1 << 63), (1 << 63) - 1], "BIGINT", [2, -(1 << 63), (1 << 63) - 1]),
        ([1, None], "BIGINT", [1, None]),
        ([1, 1 << 63], "VARCHAR", ["1", "9223372036854775808"]),
        ([-(1 << 63) - 1], "VARCHAR", ["-9223372036854775809"]),
        ([1.5, 1e300, None], "DOUBLE", [1.5, 1e300, None]),
        ([1.5, 2, (1 << 53) - 1], "DOUBLE", [1.5, 2.0, 2.0**53 - 1]),
        ([1.5, 1 << 53], "VARCHAR", ["1.5", "9007199254740992"]),
        ([True, False, None], "BOOLEAN", [True, False, None]),
        ([True, 1], "VARCHAR", ["true", "1"]),
        (["a", 1], "VARCHAR", ['"a"', "1"]),
        ([[1, "é"], {"a": None}, None], "VARCHAR", ['[1,"é"]', '{"a":null}', None]),
        ([b"\xff", None, b""], "BLOB", [b"\xff", None, b""]),
        ([b"\xff", 1], "VARCHAR", ['{"base64":"/w=="}', "1"]),
        ([None, None], "VARCHAR", [None, None]),
        ([[1, 2], [], None, [None]], "BIGINT[]", [[1, 2], [], None, [None]]),
        ([[[1.5], []], [[2]]], "DOUBLE[][]", [[[1.5], []], [[2.0]]]),
        (
            [("u0", 136), ("u1", None), None],
            'STRUCT("_1" VARCHAR, "_2" BIGINT)',
            [{"_1": "u0", "_2": 136}, {"_1": "u1", "_2": None}, None],
        ),
        ([("u0", 136), ("u1",)], "VARCHAR", ['["u0",136]', '["u1"]']),
        (
            [{"n": 1, "s": ["x"]}, {"n": 2.5}, None],
            "STRUCT(n DOUBLE, s VARCHAR[])",
            [{"n": 1.0, "s": ["x"]}, {"n": 2.5, "s": None}, None],
        ),
        ([{"n": 1}, {"N": 2}], "VARCHAR", ['{"n":1}', '{"N":2}']),
        ([{}], "VARCHAR", ["{}"]),
        ([{"": 1}], "VARCHAR", ['{"":1}']),
        (
            [[{"a": b"\x00"}, None]],
            "STRUCT(a BLOB)[]",
            [[{"a": b"\x00"}, None]],
        ),
    ],
)
def test_types(tmp_path: Path, cells: list[Any], sql_type: str, expected: list[Any]) -> None:
    """A column has the common type of its values, or JSON without one."""
    types, rows = written(
        tmp_path / "it's.parquet", [(number, cell) for number, cell in enumerate(cells)]
    )
    assert ["BIGINT", sql_type] == types
    assert repr(list(enumerate(expected))) == repr(rows)


@pytest.mark.parametrize(
    ("cells", "sql_type"),
    [
        ([datetime.date(2026, 11, 27), datetime.date(1, 1, 1), None], "DATE"),
        (
            [datetime.datetime(2026, 1, 1, 1, 2, 3, 4), datetime.datetime(1, 1, 1), None],
            "TIMESTAMP",
        ),
        ([MOMENT.time(), datetime.time(23, 59, 59, 999_999), None], "TIME"),
        ([Decimal("1.50"), Decimal("-1000"), None], "DECIMAL(6,2)"),
        ([Decimal("0.001"), Decimal(0)], "DECIMAL(4,3)"),
        ([Decimal("1E+3"), Decimal("-0.5")], "DECIMAL(5,1)"),
    ],
)
def test_types_of_python(tmp_path: Path, cells: list[Any], sql_type: str) -> None:
    """Dates, times and decimal numbers have types of their own."""
    path = tmp_path / "x.parquet"
    write_parquet(lambda: [(cell,) for cell in cells], path, ("x",))
    with duckdb.connect() as connection:
        found = connection.execute("SELECT x FROM read_parquet(?)", [str(path)])
        assert [sql_type] == [str(column[1]) for column in found.description or ()]
        assert [(cell,) for cell in cells] == found.fetchall()


def test_a_time_with_a_zone(tmp_path: Path) -> None:
    """A time with a zone is the same moment in UTC; times with and without one do not mix."""
    zone = datetime.timezone(datetime.timedelta(hours=2))
    moment = datetime.datetime(2026, 1, 1, 1, tzinfo=zone)
    path = tmp_path / "x.parquet"
    write_parquet(lambda: [(moment,)], path, ("x",))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute("SELECT x::VARCHAR, typeof(x) FROM read_parquet(?)", [str(path)])
        assert [("2025-12-31 23:00:00+00", "TIMESTAMP WITH TIME ZONE")] == found.fetchall()
    assert "json" == Typed.of([(moment,), (moment.replace(tzinfo=None),)], ("x",)).types[0].kind


def as_read(value: Any, kind: ColumnType) -> Any:
    """Return what a reader finds of a value in a column of this type."""
    if value is None:
        return None
    if kind.kind == "json":
        return jsonable(value)
    if kind.kind == "list":
        return [as_read(item, kind.fields[0][1]) for item in value]
    if kind.kind == "struct" and kind.by_position:
        fields = zip(value, kind.fields, strict=True)
        return {name: as_read(item, each) for item, (name, each) in fields}
    if kind.kind == "struct":
        return {name: as_read(value.get(name), each) for name, each in kind.fields}
    return value


def parsed(value: Any, kind: ColumnType) -> Any:
    """Return a value that was read, with its JSON texts parsed."""
    if value is None:
        return None
    if kind.kind == "json":
        return json.loads(value)
    if kind.kind == "list":
        return [parsed(item, kind.fields[0][1]) for item in value]
    if kind.kind == "struct":
        return {name: parsed(value[name], each) for name, each in kind.fields}
    return value


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(pairs=st.lists(st.tuples(keys, values), max_size=6))
def test_any_pairs(tmp_path: Path, pairs: list[tuple[Key, Value]]) -> None:
    """Any keys and values can be read from their cells, with nothing lost."""
    _, rows = written(tmp_path / "any.parquet", pairs)
    made = [(jsonable(key), jsonable(value)) for key, value in pairs]
    typed = Typed.of(made, ("key", "value"))
    assert len(made) == len(rows)
    for given_row, found in zip(made, rows, strict=True):
        for value, cell, kind in zip(given_row, found, typed.types, strict=True):
            assert as_read(value_of_json(value), kind) == parsed(cell, kind)


def test_names_of_columns(tmp_path: Path) -> None:
    """A name may hold quotes, blanks and words of SQL."""
    names = ('a "b"', "select", "größe; --")
    path = tmp_path / "x.parquet"
    write_parquet(lambda: [(1, "x", None)], path, names)
    with duckdb.connect() as connection:
        found = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
        assert list(names) == [str(column[0]) for column in found.description or ()]


def test_many_pairs_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs in many batches and row groups stay in order."""
    monkeypatch.setattr(parquet_output, "_ROW_GROUP_ROWS", 2048)
    pairs = [(f"key {number:06}", number) for number in range(25_000)]
    path = tmp_path / "many.parquet"
    assert (["VARCHAR", "BIGINT"], pairs) == written(path, pairs)
    with duckdb.connect() as connection:
        assert [(13,)] == connection.execute(
            f"SELECT num_row_groups FROM parquet_file_metadata('{path}')"
        ).fetchall()
    assert [path] == list(tmp_path.iterdir())


def test_no_pair(tmp_path: Path) -> None:
    """An empty result is a file without rows."""
    assert (["VARCHAR", "VARCHAR"], []) == written(tmp_path / "none.parquet", [])
