"""Sorted runs are merged in the order of keys, and of runs within a key."""

from __future__ import annotations

import io
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapreduce.aggregate import Aggregation, Max, Min, Sum
from mapreduce.encoding import encode_key
from mapreduce.engine.collect import merged_states
from mapreduce.engine.merge import FAN_IN, FileRun, SortedRun, merged, write_block
from mapreduce.formats.frames import BlockReader, BlockWriter, Frame, PackedPair, RawFrame, columns

sorted_runs = st.lists(
    st.lists(st.sampled_from([b"", b"a", b"a\x00", b"b", b"\xff"]), max_size=6).map(sorted),
    min_size=1,
    max_size=8,
)


@dataclass(frozen=True)
class MemoryRun:
    """A run in memory, in frames of a few pairs."""

    pairs: list[PackedPair]
    frame_pairs: int = 3

    def frames(self) -> Iterator[Frame]:
        """Yield its frames."""
        return map(columns, self.raw_frames())

    def raw_frames(self) -> Iterator[RawFrame]:
        """Yield its frames as payloads."""
        for at in range(0, len(self.pairs), self.frame_pairs):
            file = io.BytesIO()
            writer = BlockWriter(file)
            writer.write(self.pairs[at : at + self.frame_pairs])
            yield from BlockReader(
                io.BytesIO(file.getvalue()), writer.length, "memory"
            ).raw_frames()


def run(pairs: list[PackedPair]) -> SortedRun:
    """Return a run in memory."""
    return MemoryRun(pairs)


def numbered(runs: list[list[bytes]]) -> list[list[PackedPair]]:
    """Return runs whose values are their positions: the run, then the place in it."""
    return [
        [(key, number << 32 | place) for place, key in enumerate(keys)]
        for number, keys in enumerate(runs)
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sorted_runs)
def test_merge_is_a_stable_sort(tmp_path: Path, runs: list[list[bytes]]) -> None:
    """A merge equals a stable sort of the runs, joined in order."""
    pairs = numbered(runs)
    expected = sorted((pair for part in pairs for pair in part), key=lambda pair: pair[0])
    assert expected == list(merged([run(part) for part in pairs], tmp_path))


@pytest.mark.parametrize("count", [FAN_IN, FAN_IN + 1, 2 * FAN_IN + 1, FAN_IN * FAN_IN + 1])
def test_more_runs_than_are_merged_at_once(tmp_path: Path, count: int) -> None:
    """Any number of runs is merged through scratch files, and a key's values stay in the order of
    the runs.
    """
    few = [b"", b"k", b"z"] if count < 1000 else [b"k"]
    pairs = numbered([few for _ in range(count)])
    expected = sorted((pair for part in pairs for pair in part), key=lambda pair: pair[0])
    assert expected == list(merged([run(part) for part in pairs], tmp_path))


def test_values_are_never_compared(tmp_path: Path) -> None:
    """Values of one key need not compare with each other."""
    pairs: list[list[PackedPair]] = [[(b"k", 1), (b"k", b"\xc0")], [(b"k", b"\xa0"), (b"k", 2)]]
    assert pairs[0] + pairs[1] == list(merged([MemoryRun(part, 1) for part in pairs], tmp_path))


def test_run_of_a_part_of_a_file(tmp_path: Path) -> None:
    """A run reads its range of a file, and can be opened again."""
    path = tmp_path / "blocks"
    with path.open("wb") as file:
        first = write_block(file, [(b"a", 1)])
        second = write_block(file, [(b"b", 2), (b"c", b"\xc0")])
    opened = FileRun(path, first.length, second.length, "second")
    for _ in range(2):
        assert [b"b", b"c"] == [key for frame in opened.frames() for key in frame.keys]


int64 = st.integers(-(1 << 63), (1 << 63) - 1)
integer_runs = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from([b"\x60", b"\x60\x00", b"\x60a"])
            | st.binary(max_size=9).map(b"\x60".__add__),
            int64,
        ),
        max_size=20,
    ).map(sorted),
    max_size=6,
)


def summed(
    aggregation: Aggregation[Any], runs: list[list[PackedPair]], folder: Path
) -> list[tuple[bytes, Any]]:
    """Return one (key, state) for each key, merged as without the native extension."""
    return list(
        merged_states(
            aggregation, merged([run(part) for part in runs], folder) if runs else iter(())
        )
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(integer_runs)
def test_merged_integers_against_plain_python(tmp_path: Path, runs: list[list[PackedPair]]) -> None:
    """Sums, least and greatest values equal plain Python's, in the order of the keys' bytes."""
    groups: dict[bytes, list[Any]] = {}
    for key, value in (pair for part in runs for pair in part):
        groups.setdefault(key, []).append(value)
    for aggregation, plain in ((Sum(), sum), (Min(), min), (Max(), max)):
        expected = [(key, plain(groups[key])) for key in sorted(groups)]
        assert repr(expected) == repr(summed(aggregation, runs, tmp_path))


def test_merged_sums_beyond_64_bits(tmp_path: Path) -> None:
    """A sum does not overflow at 64 bits, in either direction."""
    runs: list[list[PackedPair]] = [[(b"down", -(1 << 63)), (b"up", (1 << 63) - 1)]] * 20
    assert [(b"down", -20 << 63), (b"up", 20 * ((1 << 63) - 1))] == summed(Sum(), runs, tmp_path)


@pytest.mark.slow
def test_merging_many_integers_needs_memory_for_a_frame_of_each_run(tmp_path: Path) -> None:
    """A merge's memory depends on the number of runs, and not of pairs; each key comes once, in
    order.
    """

    def runs_of(pairs: int) -> list[SortedRun]:
        numbers = [(encode_key(f"key {number % 70_001:>60}"), number) for number in range(pairs)]
        runs = []
        for part in range(8):
            path = tmp_path / f"{pairs}-{part}"
            with path.open("wb") as file:
                writer = write_block(file, sorted(numbers[part::8]))
            runs.append(FileRun(path, 0, writer.length, path.name))
        return list(runs)

    peaks = []
    for pairs in (100_000, 400_000):
        expected: Counter[bytes] = Counter()
        for number in range(pairs):
            expected[encode_key(f"key {number % 70_001:>60}")] += number
        runs, left = runs_of(pairs), iter(sorted(expected.items()))
        tracemalloc.start()
        assert all(found == next(left) for found in merged_states(Sum(), merged(runs, tmp_path)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert next(left, None) is None
    assert peaks[1] < 1.5 * peaks[0]
