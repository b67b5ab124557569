"""The map over columns: errors name the record, bad records are set aside, and Arrow works too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import duckdb
import pytest

from mapreduce import CollectList, Count, Csv, Job, JsonLines, Mean, Parquet, Sum, Text
from mapreduce.check.laws import check
from mapreduce.check.reference import LeftOut, PlainInput, plain_answer
from mapreduce.engine import map_columns
from mapreduce.errors import JobLoadError, RecordError, UserCodeError
from mapreduce.formats.arrow_arrays import ArrowRows
from mapreduce.formats.column_types import ColumnType
from mapreduce.testing import run
from tests.unit.mapreduce.engine_run import engine

SALES = b"id,country,cents\n1,DE,5\n2,FR,7\n3,DE,100\n"


class Sales(Job):
    """Only SQL."""

    input_format = Csv()
    reduce = Sum()
    map_sql = "SELECT country AS key, CAST(cents AS BIGINT) AS value FROM records"


def failure(job: Job, content: bytes, **options: Any) -> Any:
    """Return the error of a run."""
    with pytest.raises((UserCodeError, RecordError)) as failed:
        run(job, inputs={"in": content}, **options)
    return failed.value


def test_sql_maps_and_aggregates() -> None:
    """The answer does not depend on the number of splits."""
    for splits in (1, 2, 5):
        answer = run(Sales(), inputs={"in": SALES}, splits=splits)
        assert sorted(answer.pairs) == [("DE", 105), ("FR", 7)]


def test_a_value_that_sql_cannot_cast_has_its_record() -> None:
    """The chunk is halved until one record fails alone; the first one is named."""
    content = SALES + b"4,FR,x\n5,FR,y\n"
    error = failure(Sales(), content)
    assert "`map_sql` of Sales: Conversion Error: Could not convert string 'x'" in str(error)
    assert "TRY_CAST" in str(error)
    assert str(error.place).endswith(f"at byte {len(SALES)}")
    assert "'cents': 'x'" in error.record


@pytest.mark.parametrize("reduce", [Count(), {"n": Count()}])
def test_a_value_that_is_only_counted_is_computed(reduce: Any) -> None:
    """Its error does not depend on the reduce."""
    counted: Any = type("Counted", (Sales,), {"reduce": reduce, "__module__": __name__})
    assert "Could not convert string 'x'" in str(failure(counted(), SALES + b"4,FR,x\n"))


def test_a_chunk_beyond_the_memory_says_which_option_helps() -> None:
    """It is no error of the SQL."""

    class Large(Sales):
        map_sql = "SELECT repeat(country, 50_000_000) AS key, 1 AS value FROM records"

    content = b"id,country,cents\n1,DE,5\n"
    assert "raise it with --task-memory" in str(failure(Large(), content, memory_bytes=1 << 20))


def test_a_row_of_another_width_is_the_readers_error() -> None:
    """The message and the place are those of `map`."""

    class Rows(Sales):
        def map(self, key: int, row: dict[str, str]) -> Iterable[tuple[str, int]]:
            yield row["country"], int(row["cents"])

    content = SALES + b"4,FR\n"
    by_map, by_sql = failure(Rows(), content), failure(Sales(), content)
    assert isinstance(by_sql, RecordError)
    assert (str(by_map), str(by_map.place)) == (str(by_sql), str(by_sql.place))


def test_a_column_that_is_not_there_names_those_that_are() -> None:
    """No record is the cause."""

    class Wrong(Sales):
        map_sql = "SELECT contry AS key, 1 AS value FROM records"

    error = failure(Wrong(), SALES)
    assert 'Referenced column "contry" not found' in str(error)
    assert "The columns of the records are: id, country, cents" in str(error)
    assert error.record == ""


@pytest.mark.parametrize("content", [SALES, SALES + b'4,"FR",1\n'])
def test_the_chosen_columns_are_those_of_the_records(content: bytes) -> None:
    """SQL, the table of `map_arrow` and the reference run have the columns of the format alone."""

    class Chosen(Sales):
        input_format = Csv(columns=("cents", "country"))

    class Arrow(Job):
        input_format = Chosen.input_format
        reduce = Sum()

        def map_arrow(self, table: Any) -> Any:
            assert len(table.column("cents")) == len(table)
            with pytest.raises(KeyError):
                table.column("id")
            return table.column("country"), [int(cents) for cents in table.column("cents")]

    class Wrong(Chosen):
        map_sql = "SELECT id AS key, 1 AS value FROM records"

    expected = sorted(run(Sales(), inputs={"in": content}).pairs)
    jobs: tuple[type[Job], ...] = (Chosen, Arrow)
    for job in jobs:
        assert expected == sorted(run(job(), inputs={"in": content}, splits=2).pairs)
        assert expected == sorted(plain_answer(job(), [("in", content)]))
    said = str(failure(Wrong(), content))
    assert "The columns of the records are: cents, country" in said


def test_columns_that_differ_by_case_alone_are_refused() -> None:
    """SQL cannot tell them apart; columns that it does not read may."""
    content = b"id,ID,country,cents\n1,2,DE,5\n"
    assert run(Sales(), inputs={"in": content}).pairs == [("DE", 5)]

    class Wrong(Sales):
        map_sql = "SELECT id AS key, 1 AS value FROM records"

    assert "reads 'id' and 'ID', which SQL cannot tell apart" in str(failure(Wrong(), content))


def test_a_value_that_the_aggregation_refuses_has_its_record() -> None:
    """NULL is None, and the aggregation says so."""

    class Nulls(Sales):
        map_sql = "SELECT country AS key, TRY_CAST(cents AS BIGINT) AS value FROM records"

    error = failure(Nulls(), SALES + b"4,FR,\n")
    assert "Sum adds int or float values, not NoneType" in str(error)
    assert str(error.place).endswith(f"at byte {len(SALES)}")


@pytest.mark.parametrize("reduce", [Sum(), CollectList(), None])
def test_bad_records_are_set_aside(reduce: Any) -> None:
    """Those that SQL cannot map, and those of a wrong format, each alone."""
    job = type("Lenient", (Sales,), {"reduce": reduce, "__module__": __name__})
    content = SALES + b"4,FR,x\n5,FR\n6,IT,1\n"
    with engine(job) as stages:
        inputs = stages.put([content], Csv())
        (split,) = stages.split(inputs, 1).splits
        result = stages.map(split, 2 if reduce else 0, skip_limit=10)
    assert [each.place.rpartition(" at ")[2] for each in result.skipped] == [
        f"byte {len(SALES)}",
        f"byte {len(SALES) + 7}",
    ]
    assert result.records_in == 4
    assert result.records_out == (3 if isinstance(reduce, Sum | CollectList) else 4)


class Numbers(Job):
    """The map in Arrow."""

    input_format = JsonLines(columns={"name": str, "number": float})
    reduce: Any = Mean()

    def map_arrow(self, table: Any) -> Any:
        with duckdb.connect() as own:
            own.register("given", table)
            doubled = "SELECT name AS key, number * 2 AS value FROM given"
            return ArrowRows(
                ("key", "value"),
                (ColumnType("varchar"), ColumnType("double")),
                [list(column) for column in zip(*own.sql(doubled).fetchall(), strict=True)],
                len(table),
            )


JSON = b'{"name":"a","number":1}\n{"name":"b","number":2.5}\n{"name":"a","number":2}\n'


@pytest.mark.parametrize("reduce", [Mean(), CollectList()])
def test_arrow_maps_tables(reduce: Any) -> None:
    """A table that Arrow libraries read goes in, and one with key and value comes out."""
    job = type("Other", (Numbers,), {"reduce": reduce, "__module__": __name__})
    found = run(job(), inputs={"in": JSON}).pairs
    by_key: dict[str, list[float]] = {"a": [2.0, 4.0], "b": [5.0]}
    expected = [(key, reduce.plain(values)) for key, values in by_key.items()]
    assert expected == found
    assert expected == plain_answer(job(), [("in", JSON)])


def test_arrow_may_return_two_columns() -> None:
    """As `map_batch` does."""

    class Lists(Numbers):
        reduce = Count()

        def map_arrow(self, table: Any) -> Any:
            assert table.names == ("name", "number")
            assert len(table) == len(table.column("number"))
            return table.column("name"), [1] * len(table)

    assert run(Lists(), inputs={"in": JSON}).pairs == [("a", 2), ("b", 1)]

    class Wrong(Numbers):
        def map_arrow(self, table: Any) -> Any:
            return (table.column("name"),)

    assert "map_arrow must return two columns" in str(failure(Wrong(), JSON))


def test_arrow_maps_parquet(tmp_path: Any) -> None:
    """The table has the columns of a row, whether they are taken as lists or in Arrow."""
    path = tmp_path / "in.parquet"
    duckdb.sql(f"COPY (SELECT i AS n, 'a' || i % 2 AS name FROM range(5) t(i)) TO '{path}'")

    class Lists(Job):
        input_format = Parquet()
        reduce = Sum()

        def map_arrow(self, table: Any) -> Any:
            assert table.names == ("n", "name")
            return table.column("name"), table.column("n")

    class Arrow(Lists):
        def map_arrow(self, table: Any) -> Any:
            with duckdb.connect() as own:
                own.register("given", table)
                keys, values = zip(*own.sql("SELECT name, n FROM given").fetchall(), strict=True)
            assert len(keys) == len(table)
            with pytest.raises(KeyError):
                table.column("m")
            return list(keys), list(values)

    for job in (Lists, Arrow):
        found = run(job(), inputs={"in": path.read_bytes()}).pairs
        assert [("a0", 6), ("a1", 4)] == sorted(found)
        assert [("a0", 6), ("a1", 4)] == plain_answer(job(), [("in", path.read_bytes())])


def test_ranges_of_keys_follow_the_keys_of_sql(tmp_path: Any) -> None:
    """With `total_order` the sample is mapped by columns too: each part gets its share."""

    class Ordered(Sales):
        total_order = True
        map_sql = "SELECT id AS key, 1 AS value FROM records"

    content = b"id,country,cents\n" + b"".join(b"%05d,DE,1\n" % n for n in range(1000))
    answer = run(Ordered(), inputs={"in": content}, partitions=4)
    assert [key for key, _ in answer.pairs] == [f"{number:05}" for number in range(1000)]
    assert min(len(part) for part in answer.parts) > 100

    path = tmp_path / "in.parquet"
    duckdb.sql(f"COPY (SELECT i AS id FROM range(1000) t(i)) TO '{path}' (ROW_GROUP_SIZE 250)")
    stored = type("Stored", (Ordered,), {"input_format": Parquet(), "__module__": __name__})
    answer = run(stored(), inputs={"in": path.read_bytes()}, partitions=2, splits=4)
    assert [key for key, _ in answer.pairs] == list(range(1000))


def test_a_row_of_columns_is_a_composite_key() -> None:
    """`row(a, b)` is a tuple."""

    class Pairs(Sales):
        map_sql = "SELECT row(country, id) AS key, 1 AS value FROM records"

    found = run(Pairs(), inputs={"in": SALES}).pairs
    assert sorted(found) == [(["DE", "1"], 1), (["DE", "3"], 1), (["FR", "2"], 1)]


def test_the_first_bad_record_of_arrow_is_named() -> None:
    """The author's method is called again with fewer records."""

    class Raises(Numbers):
        reduce = Count()

        def map_arrow(self, table: Any) -> Any:
            if 2.5 in table.column("number"):
                raise ValueError("a half")
            return table.column("name"), [1] * len(table)

    error = failure(Raises(), JSON, splits=1)
    assert "a half" in str(error)
    assert str(error.place).endswith("at byte 24")


def test_the_reference_run_needs_no_map() -> None:
    """A plain loop over `map_sql` alone, also without records that were set aside."""
    assert plain_answer(Sales(), [("in", SALES)]) == [("DE", 105), ("FR", 7)]
    left_out = LeftOut(frozenset({("in", 24)}))
    assert plain_answer(Sales(), [("in", SALES)], [left_out]) == [("DE", 105)]
    assert plain_answer(Sales(), [("in", b"id,country,cents\n")]) == []


def test_the_reference_run_reads_parquet(tmp_path: Any) -> None:
    """All rows at once, without those that are left out."""
    path = tmp_path / "in.parquet"
    duckdb.sql(f"COPY (SELECT i AS n, 'a' AS name FROM range(5) t(i)) TO '{path}'")

    class Rows(Job):
        input_format = Parquet()
        reduce = Sum()
        map_sql = "SELECT name AS key, n AS value FROM records"

    content = path.read_bytes()
    assert plain_answer(Rows(), [("in", content)]) == [("a", 10)]
    left_out = LeftOut(frozenset({("in", 3), ("in", 0)}))
    assert plain_answer(Rows(), [("in", content)], [left_out]) == [("a", 7)]


def test_check_compares_sql_with_map() -> None:
    """A `map_sql` that does something else than `map` breaks a law."""

    class Both(Sales):
        def map(self, key: int, row: dict[str, str]) -> Iterable[tuple[str, int]]:
            yield row["country"], int(row["cents"]) * (row["id"] != "3")

    class Same(Sales):
        def map(self, key: int, row: dict[str, str]) -> Iterable[tuple[str, int]]:
            yield row["country"], int(row["cents"])

        map_sql = Sales.map_sql

    class Different(Both):
        map_sql = Sales.map_sql

    sample = [PlainInput("in", SALES)]
    assert check(Same, sample) == []
    (breach,) = check(Different, sample)
    assert "`map_sql`, `map_arrow` or `map_batch` does not do what `map` does" in breach.why


def test_a_subclass_that_redefines_map_has_no_sql() -> None:
    """The younger method maps."""

    class Younger(Sales):
        def map(self, key: int, row: dict[str, str]) -> Iterable[tuple[str, int]]:
            yield "all", 1

    assert not Younger().maps_columns
    assert run(Younger(), inputs={"in": SALES}).pairs == [("all", 3)]


def test_each_input_may_have_its_own_sql() -> None:
    """An input without SQL goes through `map`."""

    class Joined(Job):
        input_format: ClassVar[Any] = {
            "left": Csv(),
            "right": JsonLines(columns={"k": str}),
            "text": Text(),
        }
        map_sql: ClassVar[Any] = {
            "left": "SELECT country AS key, 'left' AS value FROM records",
            "right": "SELECT k AS key, 'right' AS value FROM records",
        }
        reduce = CollectList()

        def map(self, key: int, line: str) -> Iterator[tuple[str, str]]:
            yield line, "text"

    inputs = {"left": SALES, "right": b'{"k":"FR"}\n', "text": b"FR\nIT\n"}
    given = [PlainInput(name, content, name) for name, content in inputs.items()]
    found = run(Joined(), inputs=given, splits=1).pairs
    assert [("DE", ["left", "left"]), ("FR", ["left", "right", "text"]), ("IT", ["text"])] == [
        (key, sorted(values)) for key, values in sorted(found)
    ]


def test_a_json_value_becomes_a_value() -> None:
    """JSON that SQL returns is what it means, and not its text."""

    class Any_(Job):
        input_format = JsonLines(columns={"x": object})
        map_sql = "SELECT x.key AS value, 'a' AS key FROM records"
        reduce = CollectList()

    content = b'{"x":{"key":[1,{"y":null}]}}\n{"x":{"key":"t"}}\n'
    assert run(Any_(), inputs={"in": content}).pairs == [("a", [[1, {"y": None}], "t"])]


def test_a_small_chunk_spills_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many chunks, and little memory, give the same answer."""
    monkeypatch.setattr(map_columns, "CHUNK_BYTES", 64)
    rows = b"".join(b"%d,k%d,1\n" % (number, number % 500) for number in range(3000))
    found = run(
        Sales(), inputs={"in": b"id,country,cents\n" + rows}, memory_bytes=64 << 10, splits=2
    )
    assert sorted(found.pairs) == sorted((f"k{number}", 6) for number in range(500))


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"map_sql": 5}, "is 5; write a text"),
    ({"map_sql": ""}, "is ''; write a text"),
    ({"map_sql": {}}, "is empty"),
    ({"map_sql": {"a": "SELECT"}, "input_format": {"b": Csv()}}, "has SQL for the input 'a'"),
    ({"map_sql": {"b": Sales.map_sql}, "input_format": {"a": Csv(), "b": Csv()}}, "no SQL for"),
    ({"input_format": Text()}, "which reads Csv(), JsonLines(columns={...}) and Parquet()"),
    ({"input_format": JsonLines()}, "nothing says which columns its JSON Lines have"),
    ({"input_format": Csv(header=False)}, "the columns of its CSV have no names"),
    ({"map_sql": "SELECT"}, "is not a SELECT"),
    ({"map_arrow": lambda self, table: table}, "has `map_sql` and `map_arrow`; keep one"),
    (
        {"map_batch": lambda self, _: 1, "input_format": JsonLines()},
        "has `map_sql` and `map_batch`; keep one",
    ),
]


@pytest.mark.parametrize(("changed", "said"), WRONG, ids=[said for _, said in WRONG])
def test_a_job_that_cannot_run_is_refused(changed: dict[str, Any], said: str) -> None:
    """Before any record is read."""
    job: Any = type("Changed", (Sales,), {**changed, "__module__": __name__})
    with pytest.raises(JobLoadError, match="Changed") as failed:
        job.check()
    assert said in str(failed.value)
