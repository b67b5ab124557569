"""Parquet equals DuckDB's rows of the whole file, each row group is in one piece, and broken files
are refused.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mapreduce import native
from mapreduce.check.reference_parquet import plain_rows
from mapreduce.errors import RecordError, StorageError
from mapreduce.formats import arrow_rows
from mapreduce.formats.arrow_rows import rows_of
from mapreduce.formats.limits import Limits
from mapreduce.formats.parquet import ParquetReader
from mapreduce.formats.parquet_file import ParquetFile
from mapreduce.input_formats import Parquet
from tests.unit.mapreduce.formats.pieces import SOURCE, pieces_of, ranges_of, records_of

DATA = Path(__file__).parent / "data"
ROWS = (
    "SELECT i AS id, 'name ' || i % 7 AS name, i / 8 AS part, [i, "
    "NULL] AS items FROM range(5000) t(i)"
)


def parquet(folder: Path, query: str, options: str = "") -> bytes:
    """Return a file that DuckDB writes for a query."""
    path = folder / "written.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet{options})")
    return path.read_bytes()


def answer(query: str) -> list[tuple[int, dict[str, Any]]]:
    """Return DuckDB's answer."""
    with duckdb.connect() as connection:
        found = connection.execute(query)
        names = [column[0] for column in found.description or ()]
        return [
            (number, dict(zip(names, row, strict=True)))
            for number, row in enumerate(found.fetchall())
        ]


def read(content: bytes, form: Parquet | None = None) -> list[tuple[Any, Any]]:
    """Return the records of the file as one piece."""
    form = form or Parquet()
    return records_of(ParquetReader(form), pieces_of(content, form), ranges_of(content))


@pytest.fixture(scope="module")
def groups(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file with three row groups."""
    return parquet(tmp_path_factory.mktemp("groups"), ROWS, ", ROW_GROUP_SIZE 2048")


@settings(max_examples=12, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 1 << 30), max_size=8), block_bytes=st.sampled_from([100, 1 << 20])
)
@example(cuts=[1, 2, 3, 4, 5], block_bytes=1000)
def test_each_row_group_is_in_one_piece(groups: bytes, cuts: list[int], block_bytes: int) -> None:
    """For any cuts each row comes once with its number, and each byte counts once."""
    pieces = pieces_of(groups, Parquet(), cuts)
    assert answer(ROWS) == records_of(
        ParquetReader(Parquet()), pieces, ranges_of(groups, block_bytes)
    )


FLAT = """SELECT
    CASE WHEN i % 5 THEN (i % 100)::TINYINT END AS a, (-i)::SMALLINT AS b, i::INTEGER AS c,
    -i * 5000000000 AS d, (i % 200)::UTINYINT AS e, i::USMALLINT AS f, 4294967295::UINTEGER AS g,
    18446744073709551615::UBIGINT AS h, CASE i % 4 WHEN 0 THEN 'nan' WHEN 1 THEN '-inf' WHEN 2
    THEN '0.1' END::FLOAT AS i, CASE i % 3 WHEN 0 THEN 'nan' WHEN 1 THEN '-0.0' END::DOUBLE AS j,
    CASE WHEN i % 7 THEN i % 2 = 0 END AS k, CASE WHEN i % 3 THEN repeat('é€😀x', i % 4) END AS l,
    CASE WHEN i % 2 THEN '\\xFF\\x00a'::BLOB END AS m, DATE '2026-01-01' + i::INTEGER AS n,
    (i / 8)::DECIMAL(9, 3) AS o, NULL::VARCHAR AS p, TIMESTAMPTZ '2026-01-01 00:00:00+00' AS q
    FROM range(5000) t(i)"""


@pytest.mark.skipif(native.extension is None, reason="the native extension is not built")
@pytest.mark.parametrize("columns", [None, ("l",), ("q", "a", "i"), ()])
def test_rows_by_the_extension(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: tuple[str, ...] | None
) -> None:
    """The extension makes the rows of all flat types that Python makes, types included."""
    content = parquet(tmp_path, FLAT, ", ROW_GROUP_SIZE 2048")
    form = Parquet() if columns is None else Parquet(columns=columns)
    made = read(content, form)
    monkeypatch.setattr(arrow_rows, "rows_of", None)  # the rows are not read so without it
    monkeypatch.setattr(native, "extension", None)
    assert repr(read(content, form)) == repr(made)
    assert 5000 == len(made)


@pytest.mark.skipif(native.extension is None, reason="the native extension is not built")
def test_rows_by_the_extension_up_to_one_that_it_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the extension fails between two rows, Python reads those that are left."""
    content = parquet(tmp_path, ROWS.replace(", [i, NULL] AS items", ""))
    expected = read(content)

    def some(stream: Any, names: tuple[str, ...]) -> Iterator[list[dict[str, Any]]]:
        yield next(rows_of(stream, names))
        raise ValueError

    monkeypatch.setattr(arrow_rows, "rows_of", some)
    assert expected == read(content)


@pytest.mark.skipif(native.extension is None, reason="the native extension is not built")
def test_long_rows_are_not_held_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group with rows that could together take more than their share of memory is read by parts,
    with equal rows.
    """
    query = (
        "SELECT i, repeat('x', CASE i WHEN 1500 THEN 4000 ELSE 1 END) AS t FROM range(2000) t(i)"
    )
    content = parquet(tmp_path, query)
    form, limits = Parquet(), Limits(8 << 20)
    made: list[int] = []

    def counted(stream: Any, names: tuple[str, ...]) -> Iterator[list[dict[str, Any]]]:
        for rows in rows_of(stream, names):
            made.append(len(rows))
            yield rows

    monkeypatch.setattr(arrow_rows, "rows_of", counted)
    found = records_of(ParquetReader(form, limits), pieces_of(content, form), ranges_of(content))
    assert (answer(query), []) == (found, made)
    assert answer(query) == read(content)
    assert [1000, 1000] == made


def test_only_its_own_row_groups_are_read(tmp_path: Path) -> None:
    """A piece reads only its own row groups, and up to 32 KiB at the file's end for the footer."""
    content = parquet(
        tmp_path, "SELECT md5(i::VARCHAR) AS a FROM range(10000) t(i)", ", ROW_GROUP_SIZE 2048"
    )
    whole = pieces_of(content, Parquet())[0]
    first, second, third, *_ = (
        batch.start for batch in ParquetReader(Parquet()).batches(whole, ranges_of(content))
    )
    asked: list[tuple[int, int]] = []

    def ranges(start: int, end: int) -> Iterator[bytes]:
        asked.append((start, end))
        return ranges_of(content)(start, end)

    piece = whole.model_copy(update={"start": first + 1, "end": second + 1})
    (rows,) = (list(batch.records) for batch in ParquetReader(Parquet()).batches(piece, ranges))
    assert [2048, 4095] == [rows[0][0], rows[-1][0]]
    footer, group = asked
    assert len(content) == footer[1]
    assert second <= group[0] < group[1] <= third < footer[1] - (32 << 10) <= footer[0]


def test_chosen_columns(groups: bytes) -> None:
    """Only the named columns are read, in the given order; an empty list gives the rows' numbers
    alone.
    """
    expected = answer(f"SELECT name, id FROM ({ROWS})")
    found = read(groups, Parquet(columns=("name", "id")))
    assert expected == found
    assert ["name", "id"] == list(found[0][1])
    assert [(number, {}) for number in range(5000)] == read(groups, Parquet(columns=()))
    with pytest.raises(
        RecordError, match="it has no column 'Name', only 'id', 'name', 'part', 'items'"
    ):
        read(groups, Parquet(columns=("id", "Name")))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("NULL::INTEGER", None),
        ("true", True),
        ("(-128)::TINYINT", -128),
        ("18446744073709551615::UBIGINT", 18446744073709551615),
        ("1.5::FLOAT", 1.5),
        ("'nan'::DOUBLE", None),
        ("'-inf'::DOUBLE", float("-inf")),
        ("'é\U0001f600'", "é\U0001f600"),
        (r"'\x00\xFF'::BLOB", b"\x00\xff"),
        ("12345678901234567890.1234567890::DECIMAL(38, 10)", "12345678901234567890.1234567890"),
        ("1.50::DECIMAL(5, 2)", "1.50"),
        ("DATE '2020-02-29'", "2020-02-29"),
        ("TIME '23:59:59.123456'", "23:59:59.123456"),
        ("TIMESTAMP '2020-02-29 01:02:03'", "2020-02-29T01:02:03"),
        ("TIMESTAMP_NS '2020-02-29 01:02:03.123456789'", "2020-02-29T01:02:03.123456789"),
        ("TIMESTAMPTZ '2020-02-29 01:02:03.5+02'", "2020-02-28T23:02:03.5+00"),
        ("UUID '6b3bd9ca-ce91-4e3b-94ab-2a5bb3ad5ec2'", "6b3bd9ca-ce91-4e3b-94ab-2a5bb3ad5ec2"),
        ("'b'::ENUM('a', 'b')", "b"),
        ("INTERVAL 3 DAYS", "3 days"),
        ("'{\"a\": 1}'::JSON", '{"a": 1}'),
        ("['1.5', 'nan', NULL]::DOUBLE[]", [1.5, None, None]),
        ("[DATE '2020-02-29']", ["2020-02-29"]),
        ("[[TIMESTAMP '2020-02-29 01:02:03'], NULL, []]", [["2020-02-29T01:02:03"], None, []]),
        (
            "{'a': 1, 'it''s \"b\"': {'c': DATE '2020-02-29'}}",
            {"a": 1, 'it\'s "b"': {"c": "2020-02-29"}},
        ),
        ("NULL::STRUCT(a DATE)", None),
        ("[{'a': DATE '2020-02-29'}, NULL]", [{"a": "2020-02-29"}, None]),
        ("MAP {'a': 1, 'b': NULL}", [["a", 1], ["b", None]]),
        ("NULL::MAP(INTEGER, INTEGER)", None),
        ("MAP {DATE '2020-02-29': [MAP {1: 'nan'::FLOAT}]}", [["2020-02-29", [[[1, None]]]]]),
        ("{'m': MAP {'a': 1}, 'n': 2}", {"m": [["a", 1]], "n": 2}),
        ("NULL::STRUCT(m MAP(INTEGER, INTEGER))", None),
        ("[MAP {{'k': 1}: 1}, NULL]", [[[{"k": 1}, 1]], None]),
    ],
)
def test_values(tmp_path: Path, value: str, expected: object) -> None:
    """Each type becomes a value that a record can carry exactly, also beside NULL."""
    content = parquet(tmp_path, f"SELECT {value} AS \"the 'value'\" UNION ALL SELECT NULL")
    found = [row for _, row in read(content)]
    assert repr([{"the 'value'": expected}, {"the 'value'": None}]) == repr(found)
    assert repr(found) == repr(plain_rows(content, Parquet()))


# written by pyarrow 26, whose statistics have no NaN: column names and values of their rows
NESTED_NAN: dict[str, list[Any]] = {
    "d": [1.5, None, None, 2.5],
    "f": [None, 1.5, 2.5, None],
    "h": [1.5, None, 2.5, None],
    "l": [[1.5, None, 2.5], [None], [], None],
    "ll": [[[None, 1.5], None], [[None]], [], None],
    "s": [{"a": None, "b": 1}, {"a": 1.5, "b": 2}, None, {"a": None, "b": 3}],
    "ss": [{"in": {"a": None}}, {"in": {"a": 1.5}}, {"in": None}, None],
    "m": [[["k", None], ["l", 1.5]], [["k", 2.5]], [], None],
    "mk": [[[None, 1.5]], [[1.5, None]], [], None],
    "ls": [[{"a": None}], [{"a": 1.5}, None], [], None],
    "ms": [[["k", [{"a": None}]]], [["k", [{"a": 1.5}]]], [], None],
    "fl": [[None, 1.5], [1.5, None], [1.0, 2.0], None],
}


def test_nan_is_none_at_any_depth() -> None:
    """NaN becomes None at any depth in pyarrow's files, in the engine and in the reference run."""
    rows = [
        dict(zip(NESTED_NAN, row, strict=True)) for row in zip(*NESTED_NAN.values(), strict=True)
    ]
    content = (DATA / "nan_nested.parquet").read_bytes()
    assert repr(rows) == repr([row for _, row in read(content)])
    assert repr(rows) == repr(plain_rows(content, Parquet()))
    for name in NESTED_NAN:  # DuckDB reads a single column with another plan
        assert repr([row[name] for row in rows]) == repr(
            [row[name] for _, row in read(content, Parquet(columns=(name,)))]
        )
    assert "[None, 1.5]" == repr([row["a"] for _, row in read((DATA / "nan.parquet").read_bytes())])


def test_the_reference_run_finds_a_wrong_conversion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference run does not share the engine's type conversion: `verify` finds a wrong one."""
    content = parquet(
        tmp_path,
        "SELECT 1.25::DECIMAL(5, 2) AS a, 'nan'::DOUBLE AS b, TIMESTAMP '2020-02-29 01:02:03' AS c",
    )
    right = plain_rows(content, Parquet())
    monkeypatch.setattr(
        "mapreduce.formats.parquet_file.carriable_sql",
        lambda _kind, value: f"CAST({value} AS VARCHAR)",
    )
    assert right == plain_rows(content, Parquet())
    assert right != [row for _, row in read(content)]


@pytest.mark.parametrize("columns", [None, ("part", "id"), ()])
def test_plain_rows(groups: bytes, columns: tuple[str, ...] | None) -> None:
    """The reference run's rows equal those of all pieces."""
    form = Parquet(columns=columns)
    assert [row for _, row in read(groups, form)] == plain_rows(groups, form)


def test_no_row(tmp_path: Path) -> None:
    """A file without rows gives no record, and its bytes count."""
    content = parquet(tmp_path, "SELECT 1 AS a WHERE false")
    pieces = pieces_of(content, Parquet(), [5, 50])
    assert [] == records_of(ParquetReader(Parquet()), pieces, ranges_of(content))


def test_taken_column_name(tmp_path: Path) -> None:
    """A column with the name of DuckDB's row number is refused, because its values would replace
    it.
    """
    content = parquet(tmp_path, "SELECT 7 AS File_Row_Number")
    with pytest.raises(
        RecordError, match="one of its columns has the reserved name 'file_row_number'"
    ):
        read(content)


@pytest.mark.parametrize("content", [b"id,name\n1,2\n", b"PAR1", b"PAR1PAR1", b"a" * 20])
def test_no_parquet_file(content: bytes) -> None:
    """A file that is not Parquet is refused with its name and the remedy."""
    with pytest.raises(
        RecordError, match=rf"^{SOURCE} cannot be read as Parquet: .* Write it again"
    ) as caught:
        read(content)
    assert SOURCE == caught.value.place


def test_cut_off_anywhere(tmp_path: Path) -> None:
    """A file that is cut at any byte is refused."""
    content = parquet(tmp_path, ROWS)
    for size in range(1, len(content), len(content) // 40):
        with pytest.raises(RecordError):
            read(content[:size])


def test_damaged_pages(groups: bytes) -> None:
    """A damaged row group is refused."""
    with pytest.raises(RecordError):
        read(groups[:4] + b"\xff" * 3000 + groups[3004:])


def test_lost_row(groups: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer rows than in the footer are refused."""
    fetched = ParquetFile._fetched
    monkeypatch.setattr(
        ParquetFile, "_fetched", lambda *given: (rows[:-1] for rows in fetched(*given))
    )
    with pytest.raises(RecordError, match="rows, but its footer says 2048"):
        read(groups)


def read_failing(content: bytes, good_reads: int) -> weakref.ref[object]:
    """Read until the storage fails; return a reference to an object that a leak would keep."""
    left = good_reads

    def ranges(start: int, end: int) -> Iterator[bytes]:
        nonlocal left
        left -= 1
        if left < 0:
            raise StorageError("the network")
        return ranges_of(content)(start, end)

    batches = ParquetReader(Parquet()).batches(pieces_of(content, Parquet())[0], ranges)
    with pytest.raises(StorageError, match="the network"):
        for batch in batches:
            list(batch.records)
    return weakref.ref(ranges)


@pytest.mark.parametrize("good_reads", [0, 1, 2, 3])
def test_errors_of_reading_stay_as_they_are(groups: bytes, good_reads: int) -> None:
    """An error of the storage comes through DuckDB unchanged, and leaves no object behind."""
    left_behind = read_failing(groups, good_reads)
    gc.collect()
    assert left_behind() is None


LONG = (
    "SELECT i AS id, repeat('é', (i % 50) * 200) AS text, [repeat('b', i % 9 * 100)] AS items "
    "FROM range(3000) t(i)"
)


def test_long_rows_are_read_in_smaller_ranges(tmp_path: Path) -> None:
    """Rows that are too long for a vector are read in smaller ranges, unchanged."""
    content = parquet(tmp_path, LONG, ", ROW_GROUP_SIZE 2048")
    small = ParquetReader(Parquet(), Limits(8 << 20))
    assert answer(LONG) == records_of(small, pieces_of(content, Parquet()), ranges_of(content))


@pytest.mark.parametrize(
    "column",
    [
        "CASE WHEN i = 9 THEN repeat('x', 2000000) ELSE 'y' END AS text",
        "CASE WHEN i = 9 THEN encode(repeat('x', 2000000)) ELSE 'y'::BLOB END AS data",
        "CASE WHEN i = 9 THEN list_transform(range(200), lambda z: repeat('x', "
        "10000)) ELSE ['y'] END AS items",
        "CASE WHEN i = 9 THEN range(200000) ELSE [1] END AS numbers",
        "{'a': CASE WHEN i = 9 THEN repeat('x', 2000000) ELSE 'y' END} AS packed",
        "MAP {'k': CASE WHEN i = 9 THEN repeat('x', 2000000) ELSE 'y' END} AS named",
    ],
)
def test_a_row_longer_than_the_limit(tmp_path: Path, column: str) -> None:
    """A row longer than the limit is refused with its number, and the file can be read without that
    column.
    """
    content = parquet(tmp_path, f"SELECT i AS id, {column} FROM range(20) t(i)")
    with pytest.raises(
        RecordError, match=r"a row is longer than 1 MiB.*columns=.*--task-memory"
    ) as caught:
        records_of(
            ParquetReader(Parquet(), Limits(8 << 20)),
            pieces_of(content, Parquet()),
            ranges_of(content),
        )
    assert f"{SOURCE} at row 9" == caught.value.place
    form = Parquet(columns=("id",))
    found = records_of(
        ParquetReader(form, Limits(8 << 20)), pieces_of(content, form), ranges_of(content)
    )
    assert [{"id": number} for number in range(20)] == [row for _, row in found]


def test_a_page_that_does_not_fit(tmp_path: Path) -> None:
    """A page that unpacks to more than half of the task's memory is refused."""
    content = parquet(tmp_path, "SELECT repeat('x', 150000000) AS text", ", COMPRESSION zstd")
    assert len(content) < 50_000
    with pytest.raises(RecordError, match="does not fit into 64 MiB.*--task-memory"):
        records_of(
            ParquetReader(Parquet(), Limits(64 << 20)),
            pieces_of(content, Parquet()),
            ranges_of(content),
        )
