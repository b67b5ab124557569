"""The answer of `map_sql` is that of `map` over the same records, whatever the road through them.

Random tables in each format, cut into any splits: pairs, aggregations in SQL, bad records.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mapreduce import (
    Count,
    Csv,
    Job,
    JsonLines,
    Max,
    Mean,
    Min,
    Parquet,
    Quantile,
    Quantiles,
    StandardDeviation,
    Sum,
    TopK,
    Variance,
    native,
)
from mapreduce.columns.database import OutOfMemoryException
from mapreduce.columns.groups import Groups
from mapreduce.columns.query import Query
from mapreduce.engine import map_columns
from mapreduce.errors import RecordError
from mapreduce.testing import PlainInput, run

texts = st.text(alphabet='a,;"\n\r é\U0001f600\u2028', max_size=5)
numbers = st.integers(-(1 << 63), (1 << 63) - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
REDUCES: list[Any] = [
    Sum(),
    Count(),
    Min(),
    Max(),
    Mean(),
    {"n": Count(), "mean": Mean(), "most": Max()},
    TopK(2),
    {"median": Quantile(0.5, interpolate=False), "sum": Sum(), "least": TopK(1, smallest=True)},
    {"spread": Variance(), "least": TopK(1, smallest=True)},
    {"median": Quantile(0.5), "spread": StandardDeviation(sample=True), "n": Count()},
    Quantiles(0, 0.3, 1, interpolate=False),
    lambda _self, key, values: [(key, list(values))],
]
some = settings(max_examples=50, suppress_health_check=list(HealthCheck), deadline=None)
reduces = st.sampled_from(REDUCES)


def without_c(with_c: bool) -> Any:
    """Return a context without the native extension, or one that changes nothing."""
    if with_c:
        return nullcontext()
    patch = pytest.MonkeyPatch()
    patch.setattr(native, "extension", None)
    return _Undone(patch)


class _Undone:
    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._patch.undo()


def answers(base: type[Job], sql: str, reduce: Any, content: bytes, splits: int) -> list[Any]:
    """Return the answers of a job by `map` and by `map_sql`."""
    rows = type("Rows", (base,), {"reduce": reduce, "__module__": __name__})
    columns = type("Columns", (rows,), {"map_sql": sql, "__module__": __name__})
    found = []
    for job in (rows, columns):
        answer = run(job(), inputs={"in": content}, splits=splits)
        found.append(repr(sorted(answer.pairs, key=repr)))
    return found


class _Csv(Job):
    input_format = Csv()

    def map(self, key: int, row: dict[str, str]) -> Iterator[tuple[Any, Any]]:
        if row["keep"] != "no":
            yield row["name"], int(row["number"])


CSV_SQL = "SELECT name AS key, CAST(number AS BIGINT) AS value FROM records WHERE keep <> 'no'"


@some
@given(
    with_c=st.booleans(),
    reduce=reduces,
    rows=st.lists(st.tuples(texts, numbers, st.sampled_from(["", "no", "yes"])), max_size=8),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    mark=st.sampled_from(["", "\ufeff"]),
    splits=st.integers(1, 4),
)
def test_csv(
    with_c: bool,
    reduce: Any,
    rows: list[tuple[str, int, str]],
    end: str,
    quoting: Literal[0, 1],
    mark: str,
    splits: int,
) -> None:
    """Quotes, line ends in quotes, empty texts and a byte order mark change nothing."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator=end, quoting=quoting)
    writer.writerow(["name", "number", "keep"])
    for name, number, keep in rows:
        # `csv` leaves a carriage return without quotes
        writer.writerow([name if quoting else name.replace("\r", ""), number, keep])
    content = (mark + file.getvalue()).encode()
    with without_c(with_c):
        by_map, by_sql = answers(_Csv, CSV_SQL, reduce, content, splits)
    assert by_map == by_sql


class _Json(Job):
    input_format = JsonLines(columns={"name": str, "number": int, "keep": bool})

    def map(self, key: int, row: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
        if row["keep"] and row["number"] is not None:
            yield row["name"], row["number"]


JSON_SQL = "SELECT name AS key, number AS value FROM records WHERE keep AND number IS NOT NULL"


@some
@given(
    with_c=st.booleans(),
    reduce=reduces,
    rows=st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "name": st.none() | texts,
                "number": st.none() | numbers,
                "keep": st.none() | st.booleans(),
                "other": st.lists(texts, max_size=2),
            },
        ),
        max_size=8,
    ),
    gap=st.sampled_from(["\n", "\r\n", "\n\n"]),
    splits=st.integers(1, 4),
)
def test_json_lines(
    with_c: bool, reduce: Any, rows: list[dict[str, Any]], gap: str, splits: int
) -> None:
    """Missing fields, null, other fields, blank lines and carriage returns change nothing."""
    content = gap.join(json.dumps(row) for row in rows).encode()
    with without_c(with_c):
        by_map, by_sql = answers(_Json, JSON_SQL, reduce, content, splits)
    assert by_map == by_sql


class _Floats(Job):
    input_format = JsonLines(columns={"name": str, "number": float})

    def map(self, key: int, row: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
        yield row["name"], row["number"]


@some
@given(
    reduce=reduces,
    rows=st.lists(st.tuples(st.sampled_from("ab"), floats | st.floats(-1e6, 1e6)), max_size=12),
    splits=st.integers(1, 4),
)
@example(reduce=Sum(), rows=[("a", 0.1)] * 12, splits=3)
@example(reduce=Mean(), rows=[("a", 1e300), ("a", 1.0), ("a", -1e300)], splits=2)
@example(reduce=Min(), rows=[("a", 0.0), ("a", -0.0)], splits=1)
def test_floats(reduce: Any, rows: list[tuple[str, float]], splits: int) -> None:
    """Sums of floats are the same to the last bit."""
    content = "\n".join(json.dumps({"name": name, "number": each}) for name, each in rows).encode()
    sql = "SELECT name AS key, number AS value FROM records"
    # the aggregations refuse results beyond the largest float, and a variance has squares
    most = 1e153 if isinstance(reduce, dict) and "spread" in reduce else 1.7e308
    if sum(abs(each) for _, each in rows) < most:
        by_map, by_sql = answers(_Floats, sql, reduce, content, splits)
        assert by_map == by_sql


class _Parquet(Job):
    input_format = Parquet()

    def map(self, key: int, row: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
        if row["day"] is None or row["day"] >= "2026-01-02":
            yield row["name"], row["number"]


PARQUET_SQL = """
    SELECT name AS key, number AS value FROM records WHERE day IS NULL OR day >= '2026-01-02'
"""


@pytest.mark.parametrize("reduce", REDUCES, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("kind", ["BIGINT", "INTEGER", "DOUBLE"])
def test_parquet(tmp_path: Path, kind: str, reduce: Any) -> None:
    """Dates are text, NaN is None, and row groups are read in place."""
    path = tmp_path / "in.parquet"
    duckdb.sql(
        f"""COPY (SELECT CASE WHEN i % 7 = 0 THEN NULL ELSE 'n' || i % 5 END AS name,
            CAST(i * 3 % 1000 AS {kind}) AS number,
            CASE WHEN i % 11 > 0 THEN DATE '2026-01-01' + CAST(i % 3 AS INTEGER) END AS day
            FROM range(10_000) t(i)) TO '{path}' (ROW_GROUP_SIZE 2048)"""
    )
    for splits in (1, 3):
        by_map, by_sql = answers(_Parquet, PARQUET_SQL, reduce, path.read_bytes(), splits)
        assert by_map == by_sql


def test_all_types_of_parquet(tmp_path: Path) -> None:
    """Each column is in SQL what it is in a row."""
    path = tmp_path / "in.parquet"
    duckdb.sql(
        f"""COPY (SELECT 'a' AS name, 1.25::DECIMAL(9, 2) AS dec, TIMESTAMP '2026-01-02 03:04:05' AS
            at, 'nan'::DOUBLE AS nan, 1.5::FLOAT AS f, [1, 2] AS list, {{'x': DATE '2026-01-01'}} AS
            s, '\\x00'::BLOB AS bytes, true AS b, 170141183460469231731687303715884105727 AS huge)
            TO '{path}'"""
    )
    for name in ("dec", "at", "nan", "f", "list", "s", "bytes", "b", "huge"):

        class Rows(Job):
            input_format = Parquet()
            column = name  # of this turn

            def map(self, key: int, row: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
                yield row["name"], row[self.column]

        sql = f'SELECT name AS key, "{name}" AS value FROM records'
        by_map, by_sql = answers(Rows, sql, None, path.read_bytes(), 1)
        assert by_map == by_sql


def test_files_with_other_types_in_one_split(tmp_path: Path) -> None:
    """A column of one file is an integer, and of the next one a float."""
    contents = []
    for kind in ("BIGINT", "DOUBLE", "INTEGER"):
        path = tmp_path / f"{kind}.parquet"
        duckdb.sql(
            f"""COPY (SELECT 'n' || i % 3 AS name, CAST(i AS {kind}) AS number
                FROM range(9) t(i)) TO '{path}'"""
        )
        contents.append(PlainInput(f"{kind}.parquet", path.read_bytes()))

    class Rows(Job):
        input_format = Parquet()
        reduce = Sum()

        def map(self, key: int, row: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
            yield row["name"], row["number"]

    class Columns(Rows):
        map_sql = "SELECT name AS key, number AS value FROM records"

    found = [
        repr(sorted(run(job(), inputs=contents, splits=1, partitions=1).pairs))
        for job in (Rows, Columns)
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("reduce", [Max(), TopK(2), None])
@pytest.mark.parametrize("column", ["x", "xs", "s"])
def test_parquet_with_json(tmp_path: Path, column: str, reduce: Any) -> None:
    """JSON of a Parquet file is a text in SQL, as in a row."""
    path = tmp_path / "in.parquet"
    duckdb.sql(
        f"""COPY (SELECT x, [x] AS xs, {{'x': x}} AS s
            FROM (SELECT CAST(CAST(i AS VARCHAR) AS JSON) AS x FROM range(8, 13) t(i)))
            TO '{path}'"""
    )

    class Rows(Job):
        input_format = Parquet()

        def map(self, key: int, row: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
            value = row[column]
            yield "all", value["x"] if reduce and column == "s" else value

    value = "s.x" if reduce and column == "s" else column
    sql = f"SELECT 'all' AS key, {value} AS value FROM records"
    if reduce is None or column != "xs":  # lists have no order
        by_map, by_sql = answers(Rows, sql, reduce, path.read_bytes(), 1)
        assert by_map == by_sql


@pytest.mark.parametrize("reduce", REDUCES, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("kept_share", [map_columns.KEPT_SHARE, 1 << 30])
def test_groups_of_many_chunks(
    monkeypatch: pytest.MonkeyPatch, reduce: Any, kept_share: int
) -> None:
    """Chunks of one split, whose groups stay in the database, or are fetched after each chunk; some
    chunk has a value that SQL must not add.
    """
    monkeypatch.setattr(map_columns, "KEPT_SHARE", kept_share)
    rows: list[tuple[str | None, float]] = [(f"n{i % 17}", i % 9 / 4) for i in range(300)]
    rows[150], rows[20] = ("n3", 1e-30), (None, 5.0)
    for at in range(0, 200, 17):  # sums that fit into 64 bits only apart
        rows[at] = ("n0", 2.0**41)
    lines = [json.dumps({"name": name, "number": each}) for name, each in rows]
    # each input is a chunk of its own
    inputs = [PlainInput(f"{at}", "\n".join(lines[at::5]).encode()) for at in range(5)]
    by = type("Rows", (_Floats,), {"reduce": reduce, "__module__": __name__})
    sql = "SELECT name AS key, number AS value FROM records"
    by_sql = type("Columns", (by,), {"map_sql": sql, "__module__": __name__})
    found = [
        repr(sorted(run(job(), inputs=inputs, splits=2).pairs, key=repr)) for job in (by, by_sql)
    ]
    assert found[0] == found[1]


class _Tuples(Job):
    input_format = JsonLines(columns={"name": str, "n": int, "yes": bool, "number": int})

    def map(self, key: int, row: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
        yield (row["name"], (row["n"], row["yes"])), row["number"]


@pytest.mark.parametrize("kept_share", [map_columns.KEPT_SHARE, 1 << 30])
@some
@given(
    with_c=st.booleans(),
    reduce=reduces,
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "name": st.none() | st.sampled_from(["", "a", "a\0", "\0", "\u00e9" * 20]),
                "n": st.none() | st.sampled_from([0, -1, 1 << 40]),
                "yes": st.none() | st.booleans(),
                "number": numbers,
            }
        ),
        max_size=12,
    ),
    splits=st.integers(1, 4),
)
def test_keys_of_several_columns(
    kept_share: int, with_c: bool, reduce: Any, rows: list[dict[str, Any]], splits: int
) -> None:
    """A tuple of columns is grouped as the tuples of `map` are, NULL among its fields too."""
    content = "\n".join(map(json.dumps, rows)).encode()
    sql = "SELECT row(name, row(n, yes)) AS key, number AS value FROM records"
    with pytest.MonkeyPatch.context() as patch, without_c(with_c):
        patch.setattr(map_columns, "KEPT_SHARE", kept_share)
        by_map, by_sql = answers(_Tuples, sql, reduce, content, splits)
    assert by_map == by_sql


def test_groups_with_keys_of_several_columns_are_made_in_sql(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No pair of theirs becomes a Python object."""

    def pairs(*_: Any) -> Any:
        raise AssertionError("the values are added one by one")

    monkeypatch.setattr(Query, "pairs", pairs)

    class Columns(_Tuples):
        reduce = Sum()
        map_sql = "SELECT row(name, row(n, yes)) AS key, number AS value FROM records"

    row = {"name": "a", "n": 1, "yes": None, "number": 2}
    content = "\n".join([json.dumps(row)] * 3).encode()
    assert [(["a", [1, None]], 6)] == run(Columns(), inputs={"in": content}, splits=1).pairs


@pytest.mark.parametrize("with_c", [True, False])
def test_a_bad_column_that_no_sql_reads(with_c: bool) -> None:
    """A row with it is bad, as for `map`."""

    class Columns(_Json):
        map_sql = "SELECT 'all' AS key, number AS value FROM records"

    content = b'{"name": "a", "number": 1}\n{"name": 7, "number": 1}\n'
    with without_c(with_c), pytest.raises(RecordError, match="'name' is 7, and not a text"):
        run(Columns(), inputs={"in": content}, splits=1)


@pytest.mark.parametrize("with_c", [True, False])
@pytest.mark.parametrize("reduce", REDUCES[:6], ids=lambda each: type(each).__name__)
def test_groups_whose_merge_does_not_fit_the_memory(
    monkeypatch: pytest.MonkeyPatch, reduce: Any, with_c: bool
) -> None:
    """They are read chunk by chunk."""

    def whole(groups: Groups, selected: str) -> str:
        if len(groups._tables) > 1:
            raise OutOfMemoryException("short")
        return merging(groups, selected)

    merging = Groups._whole
    monkeypatch.setattr(Groups, "_whole", whole)
    # each input is a chunk of its own
    rows = [{"name": f"n{at % 4}", "number": at} for at in range(20)]
    inputs = [
        PlainInput(f"{at}", "\n".join(map(json.dumps, rows[at::5])).encode()) for at in range(5)
    ]

    class Rows(_Json):
        def map(self, key: int, row: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
            yield row["name"], row["number"]

    by = type("Rows", (Rows,), {"reduce": reduce, "__module__": __name__})
    sql = "SELECT name AS key, number AS value FROM records"
    by_sql = type("Columns", (by,), {"map_sql": sql, "__module__": __name__})
    with without_c(with_c):
        found = [sorted(run(job(), inputs=inputs, splits=1).pairs) for job in (by, by_sql)]
    assert found[0] == found[1]
