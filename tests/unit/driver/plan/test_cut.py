"""How the input is cut by rule: the same for every fleet, and seldom another one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.plan.cut import (
    COMBINED_BYTES,
    LEAST_SPLITS,
    PARTITION_BYTES,
    SHORTEST_SPLIT_BYTES,
    reason,
    reducer_count,
    scale_of,
    split_rule,
)
from mapreduce.wire.messages import SplitRule

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40


@given(st.integers(0, 1 << 60))
def test_the_scale_is_a_power_of_four_just_below(total: int) -> None:
    """So a rule that follows it changes where the input has grown fourfold."""
    scale = scale_of(total)
    assert 1 == scale.bit_count()
    assert 1 == scale.bit_length() % 2
    assert scale <= max(1, total) < 4 * scale


@pytest.mark.parametrize(
    ("total", "split", "pack"),
    [
        (0, 64 * KIB, 1),
        (200 * KIB, 64 * KIB, 1 * KIB),
        (900 * KIB, 128 * KIB, 4 * KIB),
        (1 * MIB, 256 * KIB, 16 * KIB),
        (4 * MIB, 512 * KIB, 64 * KIB),
        (256 * MIB, 16 * MIB, 4 * MIB),
        (1 * GIB, 32 * MIB, 16 * MIB),
        (4 * GIB, 64 * MIB, 64 * MIB),
        (10**12, 512 * MIB, 512 * MIB),
        (100 * 10**12, 8 * GIB, 8 * GIB),
    ],
)
def test_lengths(total: int, split: int, pack: int) -> None:
    """The table of docs/explanation/how-it-works.md, and the sizes beside it."""
    assert SplitRule(split_bytes=split, pack_bytes=pack) == split_rule(total)


@given(st.integers(1, 1 << 57))
def test_there_are_neither_few_splits_nor_many(total: int) -> None:
    """At least eight from 4 MiB on, two where they are longer than the shortest, and from 64 MiB on
    about the square root of the MiB.
    """
    length = split_rule(total).split_bytes or 0
    count = -(-total // length)
    if length > SHORTEST_SPLIT_BYTES:
        assert (LEAST_SPLITS if total >= 4 * MIB else 2) <= count
    if total >= 64 * MIB:
        root = (total / MIB) ** 0.5
        assert root / 2 <= count <= 2 * root + 1


@pytest.mark.parametrize(
    ("total", "split"),
    [
        (200 * KIB, 64 * KIB),
        (512 * KIB - 1, 128 * KIB),
        (512 * KIB, 256 * KIB),
        (10**6, 256 * KIB),
        (1 * MIB, 512 * KIB),
        (16 * MIB, 8 * MIB),
        (10**8, 32 * MIB),
        (256 * MIB, 128 * MIB),
        (1 * GIB, 256 * MIB),
        (4 * GIB, 512 * MIB),
        (16 * GIB, 512 * MIB),
        (64 * GIB, 1 * GIB),
        (10**12, 2 * GIB),
    ],
)
def test_a_map_in_bulk_has_longer_splits(total: int, split: int) -> None:
    """Four times as long, eight times up to 512 MiB, from 512 KiB on; there are two at least."""
    assert split == split_rule(total, in_bulk=True).split_bytes
    assert SplitRule(splits=7) == split_rule(total, chunks=7, in_bulk=True)


def test_what_the_user_says_goes_first() -> None:
    """A number of splits, or their length, which is that of packs too."""
    assert SplitRule(splits=7) == split_rule(1000, chunks=7)
    assert SplitRule(split_bytes=300, pack_bytes=300) == split_rule(1000, chunk_bytes=300)
    assert SplitRule(splits=7) == split_rule(1000, chunks=7, least=2)


@pytest.mark.parametrize("total", [1, 2, 17, 1000, 70 * KIB, 5 * MIB])
def test_at_least_two_splits_of_an_inline_run(total: int) -> None:
    """If the input has two bytes."""
    rule = split_rule(total, least=2)
    assert min(2, total) <= -(-total // (rule.split_bytes or 0))
    assert min((total + 1) // 2, split_rule(total).split_bytes or 0) == rule.split_bytes


@pytest.mark.parametrize(
    ("total", "combines", "expected"),
    [
        (0, True, 1),
        (0, False, 1),
        (COMBINED_BYTES, True, 1),
        (COMBINED_BYTES + 1, True, 2),
        (10**12, True, 16),
        (100 * 10**12, True, 2048),
        (256 * MIB - 1, False, 1),
        (256 * MIB, False, 4),
        (1 * GIB, False, 16),
        (16 * PARTITION_BYTES, False, 16),
        (16 * PARTITION_BYTES + 1, False, 32),
        (10**12, False, 128),
    ],
)
def test_reducers(total: int, combines: bool, expected: int) -> None:
    """A power of two, so that it seldom changes; a partition never exceeds its share."""
    assert expected == reducer_count(total, combines=combines)


@given(st.integers(0, 1 << 57))
def test_a_partition_fits_on_the_disk_of_a_task(total: int) -> None:
    """Where the reduces get as much as the maps read."""
    assert total <= reducer_count(total, combines=False) * PARTITION_BYTES


def test_the_reason_names_the_options() -> None:
    """One line, which `run` prints."""
    assert (
        "1.0 GiB of input: splits of 32.0 MiB at most (--chunk-size), 16 reducers (--reducers)"
        == reason(GIB, split_rule(GIB), 16)
    )
    said = ("reducers", "chunk_size")
    assert "(`chunk_size` of the job), 2 reducers (`reducers` of the job)" in reason(
        GIB, split_rule(GIB), 2, said
    )
    assert "7 splits (--chunks), no reducer" in reason(1, SplitRule(splits=7), 0)
