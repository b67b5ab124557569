"""Statements and values for which SQL and a map easily differ: the answer is that of `map`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import duckdb
import pytest

from mapreduce import Count, Csv, Job, JsonLines, Max, Mean, Min, Sum
from mapreduce.columns import query
from mapreduce.errors import UserCodeError
from mapreduce.testing import run
from tests.unit.mapreduce.columns.test_answers import REDUCES, answers, without_c

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


@pytest.mark.parametrize("with_c", [True, False])
@pytest.mark.parametrize("reduce", [Sum(), Mean(), Max(), None])
def test_a_bad_value_behind_the_first_rows_of_a_result(
    monkeypatch: pytest.MonkeyPatch, reduce: Any, with_c: bool
) -> None:
    """The error is that of the value, and names its record: the open result stops no query."""
    monkeypatch.setattr(query, "_FETCH", 1)

    class Columns(Job):
        input_format = Csv()
        map_sql = "SELECT a AS key, CAST(c AS DOUBLE) AS value FROM records"

    by: Any = type("By", (Columns,), {"reduce": reduce, "__module__": __name__})
    content = b"a,c\nx,0.5\ny,nan\n" + b"z,1\n" * 9
    with without_c(with_c), pytest.raises(UserCodeError, match="nan") as failed:
        run(by(), inputs={"in": content}, splits=1)
    assert str(failed.value.place).endswith("at byte 10")


@pytest.mark.parametrize("with_c", [True, False])
def test_groups_that_sql_gets_wrong_behind_the_first(
    monkeypatch: pytest.MonkeyPatch, with_c: bool
) -> None:
    """Of keys whose groups no database keeps, the values are added one by one."""
    monkeypatch.setattr(query, "_FETCH", 1)

    class Rows(Job):
        input_format = Csv()

        def map(self, key: int, row: dict[str, str]) -> Iterator[tuple[Any, Any]]:
            yield date.fromisoformat(row["a"]), float(row["b"])

    sql = "SELECT CAST(a AS DATE) AS key, CAST(b AS DOUBLE) AS value FROM records"
    content = b"a,b\n2026-01-01,1e-30\n2026-01-02,0.5\n2026-01-03,1e-30\n"
    with without_c(with_c):
        by_map, by_sql = answers(Rows, sql, Sum(), content, 1)
    assert by_map == by_sql


def test_a_column_without_a_name() -> None:
    """SQL can read all others, but not a whole record."""
    content = b'{"": 0, "a": "x", "b": 1}\n{"": 1, "a": "y", "b": 2}\n'
    for sql, pairs in (
        ("SELECT a AS key, b AS value FROM records", [("x", 1), ("y", 2)]),
        ("SELECT 'all' AS key, 1 AS value FROM records", [("all", 2)]),
    ):
        by: Any = type("By", (_Nameless,), {"map_sql": sql, "__module__": __name__})
        assert sorted(run(by(), inputs={"in": content}, splits=1).pairs) == pairs
    sql = "SELECT #2 AS key, 1 AS value FROM records"
    by = type("By", (_Nameless,), {"map_sql": sql, "__module__": __name__})
    with pytest.raises(UserCodeError, match="reads all columns, and number 1 has no name"):
        run(by(), inputs={"in": content})


class _Nameless(Job):
    input_format = JsonLines(columns={"": int, "a": str, "b": int})
    reduce = Sum()


@pytest.mark.parametrize("with_c", [True, False])
def test_a_file_that_ends_before_its_header(with_c: bool) -> None:
    """It has no records, as for `map`."""

    class Rows(_Rows):
        input_format = Csv(skip=2)

    sql = "SELECT a AS key, CAST(b AS BIGINT) AS value FROM records"
    with without_c(with_c):
        by_map, by_sql = answers(Rows, sql, Sum(), b"exported today\nby me\n", 1)
    assert by_map == by_sql == "[]"


class _Json(Job):
    input_format = JsonLines(columns={"a": str, "x": object})


X = [1, 10, 9, None, [2, {"b": None}], {"c": "d"}, "e", 0.5]


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("x", lambda x: x),
        ("{'x': x, 'n': 1}", lambda x: {"x": x, "n": 1}),
        ("row(x, row(1, x))", lambda x: (x, (1, x))),
        ("[x, x]", lambda x: [x, x]),
        ("[{'x': x}]", lambda x: [{"x": x}]),
        ("map {'k': x}", lambda x: {"k": x}),
        ("CASE WHEN x IS NOT NULL THEN {'x': [x]} END", lambda x: x if x is None else {"x": [x]}),
        ("{'x': 'null'}", lambda x: {"x": "null"}),
    ],
)
def test_json_within_a_value(sql: str, value: Any) -> None:
    """It becomes its value at any depth."""

    class Rows(_Json):
        def map(self, key: int, row: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
            yield row["a"], value(row["x"])

    content = "\n".join(json.dumps({"a": "a", "x": x}) for x in X).encode()
    by_map, by_sql = answers(
        Rows, f"SELECT a AS key, {sql} AS value FROM records", None, content, 1
    )
    assert by_map == by_sql


@pytest.mark.parametrize("with_c", [True, False])
@pytest.mark.parametrize("reduce", REDUCES, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize(
    ("key_sql", "value_sql", "pair"),
    [
        ("a", "x", lambda row: (row["a"], row["x"])),
        ("x", "1", lambda row: (row["x"], 1)),
        ("row(a, row(x, 1))", "2", lambda row: ((row["a"], (row["x"], 1)), 2)),
    ],
)
def test_json_in_aggregations(
    reduce: Any, with_c: bool, key_sql: str, value_sql: str, pair: Any
) -> None:
    """Numbers have the order of numbers and not of their texts, and are other keys than texts."""

    class Rows(_Json):
        def map(self, key: int, row: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
            yield pair(row)

    content = "\n".join(json.dumps({"a": "a", "x": x}) for x in (1, 10, 9)).encode()
    with without_c(with_c):
        by_map, by_sql = answers(
            Rows, f"SELECT {key_sql} AS key, {value_sql} AS value FROM records", reduce, content, 2
        )
    assert by_map == by_sql


def test_json_in_fields_of_several_aggregations() -> None:
    """An aggregation of a dict takes the JSON value of its field."""

    class Rows(_Json):
        def map(self, key: int, row: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
            yield row["a"], {"n": 1, "most": row["x"]}

    content = "\n".join(json.dumps({"a": "a", "x": x}) for x in (1, 10, 9)).encode()
    sql = "SELECT a AS key, {'n': 1, 'most': x} AS value FROM records"
    by_map, by_sql = answers(Rows, sql, {"n": Count(), "most": Max()}, content, 2)
    assert by_map == by_sql


@pytest.mark.parametrize("fields", [61, 62, 63, 300])
def test_keys_of_very_many_columns(fields: int) -> None:
    """They need not be columns of the native collector, which takes keys of 62."""

    class Rows(Job):
        input_format = JsonLines(columns={"a": int})

        def map(self, key: int, row: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
            yield (row["a"],) * fields, 0.5

    sql = f"SELECT row({', '.join(['a'] * fields)}) AS key, 0.5::DOUBLE AS value FROM records"
    by_map, by_sql = answers(Rows, sql, Mean(), b'{"a": 1}\n{"a": 2}\n{"a": 1}\n', 2)
    assert by_map == by_sql


@pytest.mark.parametrize("splits", [1, 3])
@pytest.mark.parametrize(
    ("field", "said"),
    [("CAST(c AS DOUBLE)", "inf"), ("[CAST(c AS DOUBLE)]", "inf"), ("uuid()", "UUID")],
)
@pytest.mark.parametrize("is_counted", [True, False])
def test_a_field_that_no_record_supports(
    splits: int, field: str, said: str, is_counted: bool
) -> None:
    """As for `map`, it is refused wherever the splits are, also where it is counted or not used."""

    class Columns(Job):
        input_format = Csv()
        map_sql = f"SELECT 'all' AS key, {{'n': {field}, 'most': a}} AS value FROM records"
        reduce = {"n": Count(), "most": Max()} if is_counted else {"most": Max()}

    with pytest.raises(UserCodeError, match=said) as failed:
        run(Columns(), inputs={"in": CONTENT}, splits=splits)
    assert str(failed.value.place).endswith("at byte 6")
