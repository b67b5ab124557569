"""DuckDB's merge of integers is exact, and comes in key order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapreduce.aggregate import SqlAggregate
from mapreduce.encoding import encode_key
from mapreduce.engine.integer_merge import merged_integers
from mapreduce.formats.frames import Frame

int64 = st.integers(-(1 << 63), (1 << 63) - 1)
pairs_lists = st.lists(
    st.tuples(st.sampled_from([b"", b"\x00", b"a", b"\xff"]) | st.binary(max_size=9), int64),
    max_size=60,
)


def merge(
    pairs: list[tuple[bytes, int]],
    aggregate: SqlAggregate,
    folder: Path,
    *,
    threads: int = 1,
    memory: int = 0,
) -> list[tuple[bytes, int]]:
    """The merged pairs, from frames of seven pairs."""
    scratch = folder / str(len(list(folder.iterdir())))
    scratch.mkdir()

    def frames() -> Iterator[Frame]:
        for at in range(0, len(pairs), 7):
            some = pairs[at : at + 7]
            yield Frame([key for key, _ in some], [value for _, value in some])

    return list(
        merged_integers(frames(), aggregate, memory_bytes=memory, threads=threads, scratch=scratch)
    )


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs_lists)
def test_against_plain_python(tmp_path: Path, pairs: list[tuple[bytes, int]]) -> None:
    """Sums, least and greatest values are those of plain Python, of ints, in the order of the keys'
    bytes.
    """
    groups: dict[bytes, list[int]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    for aggregate, plain in (("sum", sum), ("min", min), ("max", max)):
        expected = [(key, plain(groups[key])) for key in sorted(groups)]
        found = merge(pairs, aggregate, tmp_path)  # type: ignore[arg-type]
        assert repr(expected) == repr(found)


def test_sums_beyond_64_bits(tmp_path: Path) -> None:
    """A sum does not wrap at 64 bits, in either direction."""
    pairs = [(b"up", (1 << 63) - 1)] * 20 + [(b"down", -(1 << 63))] * 20
    assert [(b"down", -20 << 63), (b"up", 20 * ((1 << 63) - 1))] == merge(pairs, "sum", tmp_path)


@pytest.mark.slow
def test_little_memory_and_many_keys(tmp_path: Path) -> None:
    """With the least memory and several threads every key comes once, exact and in order."""
    pairs = [(encode_key(f"key {number % 70_001:>60}"), number) for number in range(200_000)]
    expected: Counter[bytes] = Counter()
    for key, value in pairs:
        expected[key] += value
    assert sorted(expected.items()) == merge(pairs, "sum", tmp_path, threads=2, memory=1)
