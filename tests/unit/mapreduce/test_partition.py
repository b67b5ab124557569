"""A key's partition is pinned for all machines and versions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce.encoding import Key, encode_key
from mapreduce.partition import hash_partition
from tests.unit.mapreduce.any_keys import keys


def test_hash_is_xxh3() -> None:
    """The hash of no bytes is that of XXH3's test vectors for seed 0."""
    assert hash_partition(b"", 1 << 64) == 0x2D06800538D394C2


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("the", 108),
        ("", 770),
        ("é", 853),
        (0, 227),
        (-1, 818),
        (1.5, 391),
        (True, 941),
        (b"the", 831),
        (("the", 1), 508),
    ],
)
def test_partitions_are_pinned(key: Key, expected: int) -> None:
    """The partitions of some keys among 1000 are pinned."""
    assert expected == hash_partition(encode_key(key), 1000)


@given(keys, st.integers(1, 100_000))
def test_range(key: Key, partitions: int) -> None:
    """A partition is in its range."""
    assert 0 <= hash_partition(encode_key(key), partitions) < partitions


def test_spread() -> None:
    """Ten thousand words spread evenly over 16 partitions."""
    counts = [0] * 16
    for number in range(10_000):
        counts[hash_partition(encode_key(f"word{number}"), 16)] += 1
    assert min(counts) > 500
    assert max(counts) < 750
