"""Columns as buffers: what they hold, and when a query gives them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from mapreduce import Count, Max, Mean, Quantile, StandardDeviation, Sum
from mapreduce.aggregate import Aggregation
from mapreduce.aggregations.several import Several
from mapreduce.columns.buffers import PackedColumns, StateColumns
from mapreduce.columns.chunks import registered
from mapreduce.columns.database import DuckDBPyConnection
from mapreduce.columns.packed import packed_of
from mapreduce.columns.query import Query
from mapreduce.columns.table import Table
from mapreduce.errors import UserCodeError
from mapreduce.input_formats import ColumnKind


@pytest.fixture
def connection() -> Iterator[DuckDBPyConnection]:
    """A database."""
    with duckdb.connect() as opened:
        yield opened


def lists(columns: list[Any]) -> list[Any]:
    """Return pairs, whatever form they have."""
    found: list[Any] = []
    for each in columns:
        keys, values = each.lists() if isinstance(each, PackedColumns) else each
        found += zip(keys, values, strict=True)
    return found


def queried(
    connection: DuckDBPyConnection, rows: list[tuple[Any, Any]], aggregation: Any, key: str = "int"
) -> list[Any] | None:
    """Return what a query over two columns gives as buffers."""
    table = Table(
        {
            "key": ("str" if key == "str" else "int", [each for each, _ in rows]),
            "value": ("int", [each for _, each in rows]),
        },
        len(rows),
    )
    with registered(connection, table, ("key", "value")) as source:
        packed = Query(None, "it", aggregation).packed(source)
        return None if packed is None else lists(list(packed))


def test_columns_are_lists_from_a_place_on() -> None:
    """Texts of several bytes, and integers."""
    texts = PackedColumns(
        memoryview(array("i", [0, 1, 3, 3]).tobytes()),
        memoryview("aé".encode()),
        memoryview(array("q", [1, -2, 3]).tobytes()),
    )
    assert (3, (["a", "é", ""], [1, -2, 3])) == (len(texts), texts.lists())
    assert (
        [
            "",
        ],
        [3],
    ) == texts.lists(2)
    numbers = memoryview(array("q", [5, -6]).tobytes())
    assert ([-6], [-6]) == PackedColumns(None, numbers, numbers).lists(1)


def test_rows_with_a_null_come_as_lists(connection: DuckDBPyConnection) -> None:
    """They are not lost, and the others stay as they are."""
    for key, value in ((None, 1), ("a", None)):
        sql = "SELECT * FROM (VALUES ('b', 2::BIGINT), ($key, $value))"
        relation = connection.sql(sql, params={"key": key, "value": value})
        found = list(packed_of(relation, ones=False))
        assert not any(isinstance(each, PackedColumns) for each in found)
        assert [("b", 2), (key, value)] == lists(found)


@pytest.mark.parametrize("key", ["int", "str"])
@pytest.mark.parametrize("aggregation", [None, Sum(), Max(), Count()])
def test_many_keys_are_not_grouped(
    connection: DuckDBPyConnection, aggregation: Aggregation[Any] | None, key: str
) -> None:
    """The value is the state, or 1."""
    rows = [(str(at) if key == "str" else at, at - 2) for at in range(5)]
    ones = isinstance(aggregation, Count)
    expected = [(each, 1 if ones else value) for each, value in rows]
    assert expected == queried(connection, rows, aggregation, key)


def test_few_keys_are_left_to_sql(connection: DuckDBPyConnection) -> None:
    """SQL groups them, unless nothing is aggregated; a mean is not an integer."""
    rows = [(1, 2)] * 5
    assert queried(connection, rows, Sum()) is None
    assert rows == queried(connection, rows, None)
    assert queried(connection, [(at, at) for at in range(5)], Mean()) is None


def test_an_error_while_reading_is_that_of_the_sql(connection: DuckDBPyConnection) -> None:
    """The conversion of a later row fails as it does in lists."""
    from mapreduce.columns.statement import statement_of

    sql = "SELECT key, CAST(value AS BIGINT) AS value FROM records"
    table = Table({"key": ("int", [1, 2]), "value": ("str", ["1", "x"])}, 2)
    with registered(connection, table, ("key", "value")) as source:
        packed = Query(statement_of(sql, "it", connection), "it").packed(source)
        assert packed is not None
        with pytest.raises(UserCodeError, match="Could not convert string 'x'"):
            list(packed)


@pytest.mark.parametrize("kind", ["int", "float"])
@pytest.mark.parametrize("most_bytes", [0, 1 << 20])
def test_ranks_and_spreads_of_several_chunks_are_buffers(
    connection: DuckDBPyConnection, kind: ColumnKind, most_bytes: int
) -> None:
    """The lists of a key become one, unless they are long: then it comes with each of them."""
    several = Several({"median": Quantile(0.5), "spread": StandardDeviation()})
    query = Query(None, "it", several)
    for begin in (0, 7, 20):
        values = [number if kind == "int" else number / 4 for number in range(begin, begin + 7)]
        columns: dict[str, Any] = {"key": ("str", ["a", "b"] * 3 + ["a"]), "value": (kind, values)}
        with registered(connection, Table(columns, 7), ("key", "value")) as source:
            assert query.keep(source) is True
    assert query.kept_bytes >= 3 * 7 * 8
    found = list(query.kept(most_bytes, packs=True, keeps=True))
    assert all(isinstance(each, StateColumns) for each in found)
    assert sum(each.rows for each in found if isinstance(each, StateColumns)) == (
        2 if most_bytes else 6
    )
    assert query.kept_bytes == 0
