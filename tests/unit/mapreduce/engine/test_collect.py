"""Blocks have the same content, however often pairs are spilled; wrong combines and partitions are
refused.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapreduce import CollectList, CollectSet, Count, Job, Max, Mean, Min, Quantile, Sum, TopK
from mapreduce.encoding import encode_key, unpack_value
from mapreduce.engine.collector_choice import collector_for
from mapreduce.engine.merge import FAN_IN
from mapreduce.errors import UserCodeError
from mapreduce.formats.frames import BlockReader
from mapreduce.partition import hash_partition
from mapreduce.wire.messages import Block
from tests.unit.mapreduce.any_keys import keys, scalars

TINY, LARGE = 200, 64 << 20
Pairs = list[tuple[Any, Any]]


class Base(Job):
    def map(self, key: Any, value: Any) -> Iterable[Any]:
        return []


class Plain(Base):
    def reduce(self, key: Any, values: Iterator[Any]) -> Iterable[Any]:
        return []


class Combined(Plain):
    def combine(self, key: Any, values: Iterator[Any]) -> Iterable[Any]:
        yield key, "".join(values)


class Summed(Base):
    reduce = Sum()


def collected(
    job: Job, pairs: Iterable[Any], partitions: int = 1, buffer_bytes: int = LARGE
) -> tuple[list[Block], bytes]:
    """Return the blocks that a job's collector writes, and their object."""
    with tempfile.TemporaryDirectory() as folder:
        collector = collector_for(job, partitions, buffer_bytes, Path(folder))
        for pair in pairs:
            collector.add([pair])
        file = io.BytesIO()
        blocks = collector.finish(file)
        return blocks, file.getvalue()


def content(block: Block, data: bytes) -> list[tuple[bytes, Any]]:
    """Return the pairs of one block."""
    reader = BlockReader(io.BytesIO(data[block.offset :]), block.length, "block")
    found = [
        (key, unpack_value(value))
        for frame in reader.frames()
        for key, value in zip(frame.keys, frame.values, strict=True)
    ]
    assert (block.records, block.checksum) == (reader.records, reader.checksum)
    return found


def contents(
    job: Job, pairs: Iterable[Any], partitions: int = 1, buffer_bytes: int = LARGE
) -> list[Any]:
    """Return the pairs of each block."""
    blocks, data = collected(job, pairs, partitions, buffer_bytes)
    assert len(data) == sum(block.length for block in blocks)
    return [content(block, data) for block in blocks]


def plain_blocks(pairs: Pairs, partitions: int) -> list[list[tuple[bytes, Any]]]:
    """Return all pairs, partitioned by hash and sorted by key, in order of arrival within a key."""
    parts: list[list[tuple[bytes, Any]]] = [[] for _ in range(partitions)]
    for key, value in pairs:
        parts[hash_partition(encode_key(key), partitions)].append((encode_key(key), value))
    return [sorted(part, key=lambda pair: pair[0]) for part in parts]


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", 1, 1.0, True, ("a", b"")]) | keys, scalars),
        max_size=30,
    ),
    st.integers(1, 5),
    st.sampled_from([TINY, 1000, LARGE]),
)
def test_pairs_of_an_own_reduce(pairs: Pairs, partitions: int, buffer_bytes: int) -> None:
    """Every pair is in its partition's block, sorted by key and in order within a key, spilled or
    not.
    """
    expected = plain_blocks(pairs, partitions)
    assert repr(expected) == repr(contents(Plain(), pairs, partitions, buffer_bytes))


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", 1, 1.0, True, ("a", b""), ""]), st.integers()),
        max_size=40,
    ),
    st.integers(1, 5),
    st.sampled_from([TINY, 1000, LARGE]),
)
def test_states_of_an_aggregation(pairs: Pairs, partitions: int, buffer_bytes: int) -> None:
    """Each key has one state of exactly its values, spilled or not; 1, 1.0 and True are different
    keys.
    """
    totals: dict[bytes, int] = defaultdict(int)
    for key, value in pairs:
        totals[encode_key(key)] += value
    parts: list[list[tuple[bytes, Any]]] = [[] for _ in range(partitions)]
    for encoded in sorted(totals):
        parts[hash_partition(encoded, partitions)].append((encoded, totals[encoded]))
    assert parts == contents(Summed(), pairs, partitions, buffer_bytes)


@pytest.mark.parametrize("buffer_bytes", [TINY, 3000, LARGE])
@pytest.mark.parametrize(
    "reduce",
    [Sum(), Count(), Min(), Max(), Mean(), TopK(3), CollectList(), CollectSet()],
    ids=lambda r: type(r).__name__,
)
def test_every_aggregation_survives_spilling(reduce: Any, buffer_bytes: int) -> None:
    """The result of each aggregation is right, however little memory its states have."""
    job = type("Aggregating", (Base,), {"reduce": reduce})()
    numbers: Pairs = [(f"k{number % 3}", (number * 37) % 11) for number in range(90)]
    (part,) = contents(job, numbers, 1, buffer_bytes)
    expected = [
        (
            encode_key(f"k{key}"),
            reduce.plain([value for name, value in numbers if name == f"k{key}"]),
        )
        for key in range(3)
    ]
    assert expected == [(key, reduce.result(state)) for key, state in part]


@pytest.mark.parametrize("reduce", [Quantile(0.5), {"n": Count(), "median": Quantile(0.5)}])
def test_states_of_many_values_are_spilled(
    tmp_path: Path, implementation: str, reduce: Any
) -> None:
    """A state takes memory for each of the values that it holds: more as Python's objects."""
    job = type("Aggregating", (Base,), {"reduce": reduce})()
    state: list[Any] = [[each / 4 for each in range(1000)], [], []]
    state = [1000, state] if isinstance(reduce, dict) else state
    most = 1 + 1_000_000 // (9 * 1000) if implementation == "native" else 7
    collector = collector_for(job, 1, 1_000_000, tmp_path, states=True)
    for spills in (1, 2, 3):
        for each in range(most):
            collector.add_columns([f"{spills}-{each}"], [state])
        assert len(list(tmp_path.iterdir())) == spills


@pytest.mark.parametrize("buffer_bytes", [TINY, 1000, LARGE])
def test_combine(buffer_bytes: int) -> None:
    """A combine leaves one pair for each key, and gets the values in the order of the input."""
    pairs: Pairs = [(key, f"{key}{number} ") for number in range(40) for key in ("b", "a")]
    expected = [
        (encode_key(key), "".join(value for name, value in pairs if name == key))
        for key in ("a", "b")
    ]
    assert [expected] == contents(Combined(), pairs, 1, buffer_bytes)


@pytest.mark.parametrize("job", [Plain(), Summed()], ids=["pairs", "states"])
@pytest.mark.parametrize("partitions", [1, 3])
def test_more_spills_than_are_merged_at_once(job: Job, partitions: int) -> None:
    """More runs than one merge takes are merged separately for each partition."""
    pairs: Pairs = [(f"key {number:04d}", number) for number in range(3 * FAN_IN)]
    expected = plain_blocks(pairs, partitions)
    assert expected == contents(job, pairs, partitions, buffer_bytes=1)


def test_spilling_gives_the_same_bytes() -> None:
    """An object that was spilled equals one that was not, byte for byte."""
    pairs: Pairs = [(f"{number % 50}", "x" * (number % 7)) for number in range(500)]
    assert collected(Plain(), pairs, 3, LARGE) == collected(Plain(), pairs, 3, 10_000)


def test_values_may_go_on_changing() -> None:
    """A list that changes after it was yielded is stored as it was when yielded."""

    def changing() -> Iterator[tuple[str, list[int]]]:
        shared: list[int] = []
        for number in range(3):
            shared.append(number)
            yield "k", shared

    for reduce, expected in ((CollectList(), [[0], [0, 1], [0, 1, 2]]), (Max(), [0, 1, 2])):
        job = type("Keeping", (Base,), {"reduce": reduce})()
        assert [[(encode_key("k"), expected)]] == contents(job, changing())


def test_integers_are_marked() -> None:
    """A block is marked if all its values are 64-bit integers, because only those go to DuckDB."""
    for value, expected in ((1, True), (1 << 64, False), (1.5, False)):
        ((block,), _) = collected(Summed(), [("k", value)])
        assert expected == block.integers
    assert all(block.integers for block in collected(Summed(), [], 3)[0])


def test_no_pairs() -> None:
    """Without pairs there is an empty block for each partition."""
    for job in (Plain(), Summed(), Combined()):
        assert [[], [], []] == contents(job, [], 3)


def test_combine_must_keep_its_key() -> None:
    """A combine that yields another key is refused with both keys."""

    class Renaming(Plain):
        def combine(self, key: Any, values: Iterator[Any]) -> Iterable[Any]:
            yield key.upper(), list(values)

    with pytest.raises(
        UserCodeError, match="combine yielded the key 'A' for the group 'a'; yield the same key"
    ):
        contents(Renaming(), [("a", 1)])


@pytest.mark.parametrize("number", [-1, 3, 1 << 70, None, 1.0, True, "0"])
def test_partition_out_of_range(number: Any) -> None:
    """A partition out of range, or that is no int, is refused with the key and the range."""

    class Partitioned(Plain):
        def partition(self, key: Any, partitions: int) -> Any:
            return number

    class PartitionedSum(Summed):
        partition = Partitioned.partition

    for job in (Partitioned(), PartitionedSum()):
        with pytest.raises(UserCodeError) as caught:
            contents(job, [("k", 1)], 3)
        assert (
            f"partition returned {number!r} for the key 'k'; it must be an int from 0 to 2"
            == str(caught.value)
        )


def test_own_partition() -> None:
    """A job's `partition` sets the partition of each key."""

    class ByLength(Plain):
        def partition(self, key: Any, partitions: int) -> int:
            return len(key) % partitions

    expected = [[], [(encode_key("a"), 1)], [(encode_key("bb"), 2)]]
    assert expected == contents(ByLength(), [("bb", 2), ("a", 1)], 3)


def test_inherited_partition_is_the_hash() -> None:
    """A partition that calls the inherited one gives the hash partition."""

    class Same(Plain):
        def partition(self, key: Any, partitions: int) -> int:
            return super().partition(key, partitions)

    pairs: Pairs = [(json.dumps(number), number) for number in range(30)]
    assert contents(Plain(), pairs, 4) == contents(Same(), pairs, 4)


def test_a_value_of_another_type_is_refused_where_it_is_yielded() -> None:
    """Both collectors refuse values of a key that do not compare, at their record."""

    class Least(Base):
        reduce = Min()

    with tempfile.TemporaryDirectory() as folder:
        collector = collector_for(Least(), 1, LARGE, Path(folder))
        collector.add([("a", 1), ("b", 2.5), ("b", 1)])
        with pytest.raises(TypeError):
            collector.add([("a", "text")])
