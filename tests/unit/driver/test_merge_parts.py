"""Reading a result from its parts."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driver.output.merge_parts import read_result
from mapreduce.encoding import encode_key
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


def test_parts_in_the_order_of_emission_stay_as_they_are(tmp_path: Path) -> None:
    """With `keep_order` the pairs come part after part, in the order of the file."""
    urls = _write_parts(tmp_path, [[("b", 1), ("a", 2), ("b", 3)], [("a", 4)]])
    found = list(read_result(urls, open_storage(), keep_order=True))
    assert [("b", 1), ("a", 2), ("b", 3), ("a", 4)] == found
