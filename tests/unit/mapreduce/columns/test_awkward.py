"""Statements and values for which SQL and a map easily differ: the answer is that of `map`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from mapreduce import Count, Csv, Job, Max, Min, Sum
from mapreduce.errors import UserCodeError
from mapreduce.testing import run
from tests.unit.mapreduce.columns.test_answers import REDUCES, answers

CONTENT = b"a,b,c\nx,1,inf\nX,2,0.5\nx,3,1\nX,4,2\n"


class _Rows(Job):
    input_format = Csv()

    def map(self, key: int, row: dict[str, str]) -> Iterator[tuple[Any, Any]]:
        yield row["a"], int(row["b"])


def same(sql: str, reduce: Any) -> None:
    """Hold `map` against `map_sql` over one split and several."""
    for splits in (1, 2, 3):
        by_map, by_sql = answers(_Rows, sql, reduce, CONTENT, splits)
        assert by_map == by_sql


@pytest.mark.parametrize("reduce", REDUCES, ids=lambda each: type(each).__name__)
def test_keys_that_a_collation_takes_for_equal(reduce: Any) -> None:
    """They stay two keys, whether they are in one chunk or in two."""
    same("SELECT a COLLATE NOCASE AS key, CAST(b AS BIGINT) AS value FROM records", reduce)


@pytest.mark.parametrize("reduce", [Min(), Max(), {"n": Count(), "least": Min()}])
def test_values_in_the_order_of_a_collation(reduce: Any) -> None:
    """The least text is that of Python's order."""

    class Rows(Job):
        input_format = Csv()

        def map(self, key: int, row: dict[str, str]) -> Iterator[tuple[Any, Any]]:
            yield "all", row["a"]

    sql = "SELECT 'all' AS key, a COLLATE NOCASE AS value FROM records"
    for content in (CONTENT, b"a\nB\na\n"):
        by_map, by_sql = answers(Rows, sql, reduce, content, 1)
        assert by_map == by_sql


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT #1 AS key, CAST(b AS BIGINT) AS value FROM records",
        "SELECT to_json(records)->>'a' AS key, CAST(b AS BIGINT) AS value FROM records",
        "SELECT to_json(r)->>'a' AS key, CAST(b AS BIGINT) AS value FROM records AS r",
        "SELECT a AS key, CAST(b AS BIGINT) AS value FROM records; -- the end;\n ;",
    ],
)
def test_statements_that_name_columns_in_other_ways(sql: str) -> None:
    """A column's number and the whole record are those of all columns; comments may end the SQL."""
    same(sql, Sum())


@pytest.mark.parametrize("reduce", [Min(), Max()])
@pytest.mark.parametrize("splits", [1, 2])
def test_a_float_that_no_record_supports(reduce: Any, splits: int) -> None:
    """Infinity is refused wherever the splits are, also where a smaller value would replace it."""

    class Columns(Job):
        input_format = Csv()
        map_sql = "SELECT 'all' AS key, CAST(c AS DOUBLE) AS value FROM records"

    by: Any = type("By", (Columns,), {"reduce": reduce, "__module__": __name__})
    with pytest.raises(UserCodeError, match="the value inf cannot be carried") as failed:
        run(by(), inputs={"in": CONTENT}, splits=splits)
    assert str(failed.value.place).endswith("at byte 6")


class _Once:
    """A stream of Arrow data, which can be read once."""

    def __init__(self, given: Any) -> None:
        self._given = given

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        given, self._given = self._given, None
        if given is None:  # as pyarrow's readers do
            given = duckdb.sql("SELECT 'a' AS key, 1 AS value LIMIT 0")
        return given.__arrow_c_stream__()


@pytest.mark.parametrize("reduce", [Sum(), {"n": Count(), "sum": Sum()}, None])
@pytest.mark.parametrize("as_is", [True, False], ids=["relation", "stream"])
def test_arrow_data_that_can_be_read_once(reduce: Any, as_is: bool) -> None:
    """No pair of a stream, or of a relation of DuckDB, is lost."""

    class Columns(_Rows):
        def map_arrow(self, table: Any) -> Any:
            records = table  # which the SQL reads
            assert len(records)
            sql = "SELECT 1 AS z, a AS key, CAST(b AS INT) AS value FROM records"
            found = duckdb.connect().sql(sql)
            return found if as_is else _Once(found)

    rows, columns = (
        type("By", (base,), {"reduce": reduce, "__module__": __name__}) for base in (_Rows, Columns)
    )
    found = [sorted(run(job(), inputs={"in": CONTENT}).pairs) for job in (rows, columns)]
    assert found[0] == found[1]


def test_arrow_data_without_a_key() -> None:
    """The error names the columns that there are, and no SQL."""

    class Columns(Job):
        input_format = Csv()

        def map_arrow(self, table: Any) -> Any:
            return table

    with pytest.raises(UserCodeError, match="a table with the columns a, b, c; name two of them"):
        run(Columns(), inputs={"in": CONTENT})
