"""Merges of sorted runs by the native extension equal those in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import native
from mapreduce.encoding import encode_key, pack_value, unpack_value
from mapreduce.formats.frames import (
    FRAME_PAIRS,
    PackedPair,
    RawFrame,
    columns,
)
from tests.unit.mapreduce.any_keys import values
from tests.unit.mapreduce.native.in_python import (
    OPERATIONS,
    extension,
    integers,
    many_keys,
    near,
    raw,
)

pytestmark = pytest.mark.skipif(
    native.extension is None, reason=f"the native extension is {native.why_not}"
)


runs_of = st.lists(
    st.lists(st.tuples(near.map(encode_key), integers), max_size=12).map(sorted), max_size=6
)


@given(runs_of)
def test_merging_keeps(runs: list[list[tuple[bytes, int]]]) -> None:
    """A keeping merge equals a stable sort of the joined runs."""
    given_runs = [
        [(key, number << 8 | at) for at, (key, _) in enumerate(run)]
        for number, run in enumerate(runs)
    ]
    expected = sorted((pair for run in given_runs for pair in run), key=lambda pair: pair[0])
    merged = extension.Merge([raw(list(run)) for run in given_runs], extension.KEEP)
    assert expected == [
        pair
        for frame in map(columns, merged)
        for pair in zip(frame.keys, frame.values, strict=True)
    ]


@given(st.lists(st.lists(st.tuples(many_keys, values), max_size=8), max_size=4))
def test_merging_keeps_values_of_any_kind(runs: list[list[tuple[Any, Any]]]) -> None:
    """A keeping merge encodes integers among other values as Python does."""
    given_runs = [
        sorted(
            ((encode_key(key), pack_value(value)) for key, value in run), key=lambda pair: pair[0]
        )
        for run in runs
    ]
    expected = sorted(
        ((key, unpack_value(value)) for run in given_runs for key, value in run),
        key=lambda pair: pair[0],
    )
    merged = extension.Merge([raw(run) for run in given_runs], extension.KEEP)
    found = [
        pair
        for frame in map(columns, merged)
        for pair in zip(frame.keys, frame.values, strict=True)
    ]
    assert expected == [(key, unpack_value(value)) for key, value in found]


@given(runs_of, st.sampled_from(OPERATIONS[:1] + OPERATIONS[2:]))
def test_merging_combines(
    runs: list[list[tuple[bytes, int]]], operation: tuple[str, Callable[[int, int], int]]
) -> None:
    """A combining merge gives one pair a key, and raises for a sum beyond 64 bits."""
    name, fold = operation
    expected: dict[bytes, int] = {}
    for key, value in (pair for run in runs for pair in run):
        expected[key] = fold(expected[key], value) if key in expected else value
    merged = extension.Merge([raw(list(run)) for run in runs], getattr(extension, name))
    try:
        found = [
            pair
            for frame in map(columns, merged)
            for pair in zip(frame.keys, frame.values, strict=True)
        ]
    except OverflowError:
        assert name == "SUM"
        return
    assert sorted(expected.items()) == found


def test_more_pairs_than_a_frame_holds() -> None:
    """A merge cuts frames where they are full, and raises the errors of a run."""
    pairs: list[PackedPair] = [
        (encode_key(f"{number:06}"), number) for number in range(2 * FRAME_PAIRS + 904)
    ]
    frames = list(extension.Merge([raw(pairs[::2], 100), raw(pairs[1::2], 1000)], extension.SUM))
    assert [FRAME_PAIRS, FRAME_PAIRS, 904] == [frame[1] for frame in frames]
    assert pairs == [
        pair
        for frame in map(columns, frames)
        for pair in zip(frame.keys, frame.values, strict=True)
    ]

    def broken() -> Iterator[RawFrame]:
        yield from raw(pairs[:4])
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        list(extension.Merge([broken(), raw(pairs)], extension.SUM))


@pytest.mark.parametrize(
    "frame",
    [
        (1, 1, b""),
        (1, 1, b"\x01\x00\x00\x00a"),
        (0, 1, b"\xff" * 8),
        (1, 1 << 31, b"x" * 50),
        (1, 0, b"x"),
        (2, 1, bytes(8)),
        (-1, 1, bytes(8)),
        (1, -1, b""),
        (1, 1 << 32, b""),
        (1 << 32, 1, bytes(8)),
    ],
)
def test_lengths_that_do_not_add_up(frame: RawFrame) -> None:
    """A frame with wrong lengths is refused before a read beyond it."""
    for use in (
        lambda: list(extension.Merge([iter([frame])], extension.KEEP)),
        lambda: extension.groups(frame, unpack_value),
    ):
        with pytest.raises(ValueError, match="do not add up"):
            use()


@given(st.lists(st.lists(st.tuples(many_keys, values), max_size=12), max_size=5))
def test_first_pairs(runs: list[list[tuple[Any, Any]]]) -> None:
    """Of each key, a merge keeps the pair that comes first, from the earliest run."""
    encoded = [
        sorted(
            ((encode_key(key), pack_value(value)) for key, value in run), key=lambda pair: pair[0]
        )
        for run in runs
    ]
    expected: dict[bytes, Any] = {}
    for run in encoded:
        for key, value in run:
            expected.setdefault(key, value)
    merging = extension.Merge([raw(run, 2) for run in encoded], extension.FIRST)
    found = [
        pair
        for frame in map(columns, merging)
        for pair in zip(frame.keys, frame.values, strict=True)
    ]
    assert sorted(expected.items()) == [(key, pack_value(unpack_value(v))) for key, v in found]


def test_a_merge_that_has_failed_has_no_more() -> None:
    """A merge that has failed yields no further pair."""

    def broken() -> Iterator[RawFrame]:
        yield from raw([(b"a", 1)])
        raise LookupError("lost")

    merging = extension.Merge([broken(), raw([(b"b", 1)])], extension.SUM)
    with pytest.raises(LookupError, match="lost"):
        list(merging)
    assert [] == list(merging)
