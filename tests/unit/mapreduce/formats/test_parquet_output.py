"""A result in Parquet has all pairs in order, as DuckDB reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapreduce.encoding import Key, Value
from mapreduce.formats import parquet_output
from mapreduce.formats.json_values import jsonable
from mapreduce.formats.parquet_output import write_parquet
from tests.unit.mapreduce.any_keys import keys, values

Pairs = list[tuple[Any, Any]]


def written(path: Path, pairs: Pairs) -> tuple[list[str], Pairs]:
    """Return the types of the columns, and the rows."""
    made = [(jsonable(key), jsonable(value)) for key, value in pairs]
    write_parquet(lambda: iter(made), path)
    with duckdb.connect() as connection:
        found = connection.execute("SELECT key, value FROM read_parquet(?)", [str(path)])
        types = [str(column[1]) for column in found.description or ()]
        return types, found.fetchall()


@pytest.mark.parametrize(
    ("cells", "sql_type", "expected"),
    [
        (["b", "a", "é\x00\n"], "VARCHAR", ["b", "a", "é\x00\n"]),
        (["a", None], "VARCHAR", ["a", None]),
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
        ([b"\xff"], "VARCHAR", ['{"base64":"/w=="}']),
        ([None, None], "VARCHAR", [None, None]),
    ],
)
def test_types(tmp_path: Path, cells: list[Any], sql_type: str, expected: list[Any]) -> None:
    """A column has the common type of its values, or JSON without one."""
    types, rows = written(
        tmp_path / "it's.parquet", [(number, cell) for number, cell in enumerate(cells)]
    )
    assert ["BIGINT", sql_type] == types
    assert repr(list(enumerate(expected))) == repr(rows)


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(pairs=st.lists(st.tuples(keys, values), max_size=6))
def test_any_pairs(tmp_path: Path, pairs: list[tuple[Key, Value]]) -> None:
    """Any keys and values can be read from their cells."""
    types, rows = written(tmp_path / "any.parquet", pairs)
    assert len(pairs) == len(rows)
    for place, (column, sql_type) in enumerate(zip(zip(*pairs, strict=True), types, strict=False)):
        for given_cell, found in zip(
            map(jsonable, column), (row[place] for row in rows), strict=True
        ):
            texts = all(isinstance(cell, str | None) for cell in column)
            plain = sql_type != "VARCHAR" or texts or found is None
            assert given_cell == (found if plain else json.loads(found))


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
