"""States folded by the extension have the bytes that Python's aggregations make."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mapreduce import Count, Max, Mean, Min, Sum, TopK, native
from mapreduce.aggregate import Aggregation
from mapreduce.aggregations.several import Several
from mapreduce.encoding import encode_key, encode_value, pack_value
from mapreduce.engine.collect import merged_states, packed_result, packed_state
from mapreduce.engine.folding import folded, folds
from mapreduce.errors import UserCodeError
from mapreduce.formats.frames import RawFrame, columns
from tests.unit.mapreduce.native.in_python import extension, raw

pytestmark = pytest.mark.skipif(
    native.extension is None, reason=f"the native extension is {native.why_not}"
)
EACH: list[Aggregation[Any]] = [
    Sum(),
    Count(),
    Min(),
    Max(),
    Mean(),
    TopK(2),
    TopK(3, smallest=True),
    Several({"s": Sum(), "mé": Mean(), "least": Min(), "most": Max(), "n": Count(), "t": TopK(1)}),
]
floats = st.one_of(
    st.integers(-(10**7), 10**7).map(lambda number: number / 100),
    st.floats(-1e6, 1e6),
    st.sampled_from(
        [-0.0, 2.0**45, 2.0**46, -(2.0**46), 2.0**-80, 2.0**-81, 1e300, 1e-30, 0.1, 1e15 + 0.1]
    ),
)
integers = st.integers(-1000, 1000) | st.sampled_from([(1 << 62), -(1 << 63), (1 << 63) - 1])
values = st.lists(integers, min_size=1, max_size=4) | st.lists(
    floats | integers, min_size=1, max_size=40
)
Pairs = list[tuple[bytes, int | bytes]]


def state_of(aggregation: Aggregation[Any], numbers: list[Any]) -> Any:
    """Return the state of some values."""
    state = aggregation.create(numbers[0])
    for number in numbers[1:]:
        state = aggregation.add(state, number)
    return state


def in_python(aggregation: Aggregation[Any], pairs: Pairs, *, results: bool) -> Any:
    """Return one pair for each key, or the error's type."""
    pack = packed_result if results else packed_state
    try:
        return [
            (key, _bytes(pack(aggregation, key, state)))
            for key, state in merged_states(aggregation, pairs)
        ]
    except UserCodeError:
        return UserCodeError


def in_c(aggregation: Aggregation[Any], frames: list[RawFrame], *, results: bool) -> Any:
    """Return the same by the extension."""
    try:
        return [
            (key, _bytes(value))
            for frame in map(columns, folded(aggregation, frames, results=results))
            for key, value in zip(frame.keys, frame.values, strict=True)
        ]
    except UserCodeError:
        return UserCodeError


def _bytes(value: int | bytes) -> bytes:
    return encode_value(value) if isinstance(value, int) else value


@pytest.mark.parametrize("results", [False, True])
@pytest.mark.parametrize("aggregation", EACH, ids=lambda each: type(each).__name__)
@settings(max_examples=40, deadline=None)
@given(groups=st.lists(st.lists(values, min_size=1, max_size=4), max_size=3), at=st.integers(1, 5))
@example(groups=[[[0.1], [0.2], [0.3]]], at=1)
@example(groups=[[[0.1, 0.2]], [[1, 2]], [[2.0**46 - 0.5], [0.5]]], at=2)
@example(groups=[[[1e300], [1.0], [-1e300]]], at=2)
@example(groups=[[[0.0], [-0.0]], [[-0.0], [0.0]]], at=2)
@example(groups=[[[(1 << 63) - 1], [1]]], at=1)
def test_folded_states(
    aggregation: Aggregation[Any], results: bool, groups: list[list[list[Any]]], at: int
) -> None:
    """Groups within a frame and across frames, of ints, floats and both."""
    pairs: Pairs = [
        (encode_key(key), pack_value(state_of(aggregation, numbers)))
        for key, states in enumerate(groups)
        for numbers in states
    ]
    frames = list(raw(pairs, at))
    expected = in_python(aggregation, pairs, results=results)
    assert expected == in_c(aggregation, frames, results=results)


def test_usual_states_are_not_left_to_python() -> None:
    """The means of prices, the sums of counts."""

    def otherwise(key: bytes, states: list[bytes]) -> int:
        raise AssertionError("left to Python")

    pairs: Pairs = [
        (encode_key("a"), pack_value(state_of(Mean(), [cents / 100 for cents in range(each)])))
        for each in range(1, 60)
    ]
    for results in (False, True):
        fold = extension.Fold(raw(pairs), b"a", b"", (b"",), (0,), results, otherwise)
        ((_, number, _),) = list(fold)
        assert number == 1


@pytest.mark.parametrize("k", [(1 << 63) - 1, 1 << 63, 1 << 64, 10**30])
def test_all_values_are_the_greatest(k: int) -> None:
    """A `k` that no machine word holds keeps all of them."""
    pairs: Pairs = [(encode_key("a"), pack_value([each])) for each in (1, 3, 2)]
    for results in (False, True):
        expected = in_python(TopK(k), pairs, results=results)
        assert expected == in_c(TopK(k), list(raw(pairs, 2)), results=results)


def test_what_is_no_aggregation_of_these_does_not_fold() -> None:
    """A subclass may change anything."""

    class Twice(Sum):
        pass

    assert all(map(folds, EACH))
    assert not folds(Twice())
    assert not folds(None)
    assert not folds(Several({"n": Count(), "twice": Twice()}))
    assert not folds(Several({f"{at}": Count() for at in range(16)}))


def test_an_error_of_python_ends_the_fold() -> None:
    """It comes through, and there are no more frames."""

    def otherwise(key: bytes, states: list[bytes]) -> int:
        raise KeyError(key)

    fold = extension.Fold(raw([(b"a", b"\xc0")]), b"s", b"", (b"",), (0,), False, otherwise)
    with pytest.raises(KeyError):
        next(fold)
    assert [] == list(fold)


@pytest.mark.parametrize(
    ("program", "header", "prefixes"),
    [(b"", b"", ()), (b"z", b"", (b"",)), (b"ss", b"", (b"", b"")), (b"s", b"", ())],
)
def test_a_wrong_program_is_refused(
    program: bytes, header: bytes, prefixes: tuple[bytes, ...]
) -> None:
    """Each aggregation has a known kind and a prefix; several have a header."""
    with pytest.raises(ValueError, match="a kind and a prefix"):
        extension.Fold([], program, header, prefixes, (0,), False, bytes)
