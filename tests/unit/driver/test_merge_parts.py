"""Merging parts into one file."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driver.output.merge_parts import output_format, read_result, write_result
from mapreduce.encoding import encode_key
from mapreduce.errors import NotWritten, UsageError
from mapreduce.formats.json_values import json_key, jsonable
from mapreduce.formats.output import write_pairs
from mapreduce.storage import open_storage

keys = st.one_of(
    st.text(max_size=5),
    st.integers(),
    st.booleans(),
    st.binary(max_size=4),
    st.tuples(st.text(max_size=2)),
)


def _write_parts(folder: Path, parts: list[list[tuple[object, object]]]) -> list[str]:
    urls = []
    for number, part in enumerate(parts):
        path = folder / f"part-{number}.jsonl"
        rows = [(json_key(key), jsonable(value)) for key, value in part]
        path.write_bytes(b"".join(write_pairs(rows, "jsonl", as_object=False)))
        urls.append(f"file://{path}")
    return urls


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(pairs=st.lists(st.tuples(keys, st.integers()), max_size=40), count=st.integers(1, 5))
def test_merged_parts_are_all_pairs_in_key_order(
    tmp_path: Path, pairs: list[tuple[object, object]], count: int
) -> None:
    """Merged parts have all pairs in key order, for keys of any types."""
    parts: list[list[tuple[object, object]]] = [[] for _ in range(count)]
    for number, pair in enumerate(pairs):
        parts[number % count].append(pair)
    for part in parts:
        part.sort(key=lambda pair: encode_key(pair[0]))
    urls = _write_parts(tmp_path, parts)
    merged = [encoded for encoded, _ in read_result(urls, open_storage())]
    expected = [jsonable(key) for key, _ in sorted(pairs, key=lambda pair: encode_key(pair[0]))]
    assert merged == expected


def test_json_is_an_object_only_when_no_key_comes_twice(tmp_path: Path) -> None:
    """JSON is an object if all keys are unique strings, and else a list of pairs."""
    cases: list[tuple[list[list[tuple[object, object]]], object]] = [
        ([[("a", 1)], [("b", 2)]], {"a": 1, "b": 2}),
        ([[("a", 1)], [("a", 2)]], [["a", 1], ["a", 2]]),
        ([[(1, "x")], [("b", 2)]], [[1, "x"], ["b", 2]]),
        ([[]], {}),
    ]
    for parts, expected in cases:
        urls = _write_parts(tmp_path, parts)
        write_result(urls, open_storage(), tmp_path / "out.json")
        assert json.loads((tmp_path / "out.json").read_text()) == expected


def test_parquet_holds_all_pairs_in_key_order(tmp_path: Path) -> None:
    """Merged Parquet has all pairs in key order."""
    urls = _write_parts(tmp_path, [[("a", 1), ("c", 3)], [("b", 2), ("d", 1 << 40)]])
    write_result(urls, open_storage(), tmp_path / "new" / "out.parquet")
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT * FROM '{tmp_path}/new/out.parquet'").fetchall()
    assert rows == [("a", 1), ("b", 2), ("c", 3), ("d", 1 << 40)]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.parquet"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_failed_write_leaves_no_file(tmp_path: Path, ending: str) -> None:
    """A failed write leaves no file."""
    (tmp_path / "part-0.jsonl").write_text('{"key":"a","value":1}\n{"key":')
    with pytest.raises(Exception, match=r".+"):
        write_result(
            [f"file://{tmp_path}/part-0.jsonl"], open_storage(), tmp_path / f"out.{ending}"
        )
    assert [path.name for path in tmp_path.iterdir()] == ["part-0.jsonl"]


def test_the_ending_sets_the_format() -> None:
    """The file ending sets the format, and an unknown one is refused."""
    assert output_format(Path("x.JSONL")) == "jsonl"
    with pytest.raises(UsageError, match=r"\.csv"):
        output_format(Path("x.xlsx"))


def test_an_output_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    """An output that cannot be written raises NotWritten."""
    urls = _write_parts(tmp_path, [[("a", 1)]])
    (tmp_path / "file").touch()
    with pytest.raises(NotWritten, match=r"--output .*file/out\.json cannot be written: "):
        write_result(urls, open_storage(), tmp_path / "file" / "out.json")
