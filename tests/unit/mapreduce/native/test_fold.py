"""States folded by the extension have the bytes that Python's aggregations make."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mapreduce import (
    Count,
    Max,
    Mean,
    Min,
    Quantile,
    Quantiles,
    StandardDeviation,
    Sum,
    TopK,
    Variance,
    native,
)
from mapreduce.aggregate import Aggregation
from mapreduce.aggregations.several import Several
from mapreduce.encoding import decode_value, encode_key, encode_value, pack_value
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
    Variance(),
    Variance(sample=True),
    StandardDeviation(),
    StandardDeviation(sample=True),
    Quantile(0.5),
    Quantile(0.95, interpolate=False),
    Quantiles(0, 0.05, 0.3, 0.5, 1),
    Quantiles(0, 0.05, 0.3, 0.5, 1, interpolate=False),
    Several({"q": Quantile(0.5), "d": StandardDeviation(sample=True), "n": Count()}),
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


def check_same(aggregation: Aggregation[Any], pairs: Pairs, *, results: bool) -> None:
    """Check that both have the same answer, or the same error."""
    frames = list(raw(pairs))
    try:
        expected = in_python(aggregation, pairs, results=results)
    except Exception as exc:  # noqa: BLE001 - whatever Python raises
        with pytest.raises(type(exc)):
            in_c(aggregation, frames, results=results)
    else:
        assert expected == in_c(aggregation, frames, results=results)


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

    def otherwise(key: bytes, states: list[bytes], is_result: bool) -> int:
        raise AssertionError("left to Python")

    pairs: Pairs = [
        (encode_key("a"), pack_value(state_of(Mean(), [cents / 100 for cents in range(each)])))
        for each in range(1, 60)
    ]
    for results in (False, True):
        fold = extension.Fold(raw(pairs), b"a", b"", (b"",), ((),), results, otherwise)
        ((_, number, _),) = list(fold)
        assert number == 1


@pytest.mark.parametrize("k", [(1 << 63) - 1, 1 << 63, 1 << 64, 10**30])
def test_all_values_are_the_greatest(k: int) -> None:
    """A `k` that no machine word holds keeps all of them."""
    pairs: Pairs = [(encode_key("a"), pack_value([each])) for each in (1, 3, 2)]
    for results in (False, True):
        expected = in_python(TopK(k), pairs, results=results)
        assert expected == in_c(TopK(k), list(raw(pairs, 2)), results=results)


def left_to_python(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return the keys that Python merges, which the fold adds to."""
    keys: list[bytes] = []

    def counted(aggregation: Any, pairs: Any) -> Any:
        keys.extend(key for key, _ in pairs[:1])
        return merged_states(aggregation, pairs)

    monkeypatch.setattr("mapreduce.engine.folding.merged_states", counted)
    return keys


RANKS_AND_SPREADS: list[Aggregation[Any]] = [
    Quantile(0.5),
    Quantiles(0, 0.05, 0.95, 1),
    Quantile(0.3, interpolate=False),
    Variance(),
    StandardDeviation(sample=True),
]


@pytest.mark.parametrize("numbers", ["ints", "floats"])
@pytest.mark.parametrize("aggregation", RANKS_AND_SPREADS, ids=lambda each: type(each).__name__)
def test_usual_ranks_and_spreads_are_not_left_to_python(
    monkeypatch: pytest.MonkeyPatch, aggregation: Aggregation[Any], numbers: str
) -> None:
    """Prices and counts; states of one value, of many, of more than a short list has."""
    given_values = [number % 70_001 - 99 for number in range(70_100)]
    if numbers == "floats":
        given_values = [number / 100 for number in given_values]  # type: ignore[misc]
    cuts = [0, 1, 20, 70_000, 70_100]
    states = [
        [values, [], []] if isinstance(aggregation, Quantiles) else state_of(aggregation, values)
        for values in (given_values[one:two] for one, two in pairwise(cuts))
    ]
    pairs: Pairs = [(encode_key("a"), pack_value(state)) for state in states]
    expected = in_python(aggregation, pairs, results=False)
    ((_, result),) = in_python(aggregation, pairs, results=True)
    assert decode_value(result) == aggregation.plain(given_values)
    left = left_to_python(monkeypatch)
    assert expected == in_c(aggregation, list(raw(pairs)), results=False)
    assert [(encode_key("a"), result)] == in_c(aggregation, list(raw(pairs)), results=True)
    assert [] == left


@settings(max_examples=300, deadline=None)
@given(
    squares=st.lists(st.integers(-(1 << 40), 1 << 40), min_size=2, max_size=5),
    exponents=st.lists(st.integers(0, 90), min_size=2, max_size=3),
    is_root=st.booleans(),
    is_sample=st.booleans(),
)
@example(squares=[1, 1], exponents=[0, 0], is_root=True, is_sample=True)
@example(squares=[0, 1 << 40], exponents=[90, 90], is_root=False, is_sample=False)
def test_spreads_are_rounded_once(
    squares: list[int], exponents: list[int], is_root: bool, is_sample: bool
) -> None:
    """Integers of more than 64 bits, over different powers of two."""
    aggregation = (StandardDeviation if is_root else Variance)(sample=is_sample)
    pairs: Pairs = []
    for exponent in exponents:
        total, sum_of_squares = sum(squares), sum(each * each for each in squares)
        state = [len(squares), exponent, total << exponent, sum_of_squares << 2 * exponent]
        pairs.append((encode_key("a"), pack_value(state)))
        assert in_python(aggregation, pairs, results=True) == in_c(
            aggregation, list(raw(pairs)), results=True
        )
        assert in_python(aggregation, pairs, results=False) == in_c(
            aggregation, list(raw(pairs)), results=False
        )


@pytest.mark.parametrize(
    "state",
    [
        [[], [], []],
        [[1.5], [], [1]],
        [[], [1.5], [0]],
        [[], [1.5], [-1]],
        [[-0.0], [0.0], [1]],
        [[1, 1.5], [], []],
        [[1, Decimal("1.5")], [], []],
        [[], [7], [1 << 62]],
        [[1 << 63, -(1 << 63)], [3], [2]],
        [[1.0, 1e300], [], []],
        [[1e-300, 2e-300], [], []],
        [[1.0, 5e-324], [], []],
    ],
)
def test_unusual_quantiles(state: Any) -> None:
    """Each has Python's answer, or its error."""
    for aggregation in (Quantile(0.25), Quantiles(0.5, interpolate=False)):
        pairs: Pairs = [(b"a", pack_value(state))] * 2
        for given_pairs, results in ((pairs[:1], False), (pairs, False), (pairs, True)):
            check_same(aggregation, given_pairs, results=results)


def test_unusual_spreads() -> None:
    """Numbers beyond 320 bits, results beyond floats, none of a sample of one value."""
    for aggregation in (Variance(), Variance(sample=True), StandardDeviation(sample=True)):
        for state in (
            state_of(aggregation, [1e200, -1e200]),
            state_of(aggregation, [5e-324, 1.0]),
            state_of(aggregation, [1e-160, 2e-160]),
            state_of(aggregation, [1e-170, 2e-170]),
            state_of(aggregation, [7]),
            [1, 0, 1 << 300, 1 << 310],
            [2, 0, -(1 << 311), 1 << 312],
            [2, 0, 5, -5],
        ):
            pairs: Pairs = [(b"a", pack_value(state))]
            for many in (pairs, pairs * 3):
                for results in (False, True):
                    check_same(aggregation, many, results=results)


@pytest.mark.parametrize("results", [False, True])
def test_long_states_are_merged_before_all_are_held(
    monkeypatch: pytest.MonkeyPatch, results: bool
) -> None:
    """A key with 20 MiB of states; in C where it can, else in Python, which merges some of them."""
    floats_given = [[number / 100, number / 100 + 0.001] * 40_000 for number in range(30)]
    aggregation = Quantiles(0.1, 0.5)
    pairs: Pairs = [(b"a", pack_value([values, [], []])) for values in floats_given]
    expected = in_python(aggregation, pairs, results=results)
    left = left_to_python(monkeypatch)
    assert expected == in_c(aggregation, list(raw(pairs)), results=results)
    assert [] == left
    longest = Quantile(0.5, interpolate=False)
    texts = [f"{number % 3}" * (1 << 20) for number in range(40)]
    pairs = [(b"a", pack_value([[text], [], []])) for text in texts]
    expected = in_python(longest, pairs, results=results)
    assert expected == in_c(longest, list(raw(pairs)), results=results)
    assert len(left) == 3


def test_a_share_with_a_long_denominator_does_not_fold() -> None:
    """Python computes with fractions of any length."""
    assert folds(Quantiles(0.123456789012345678))
    assert not folds(Quantiles(1e-19))


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

    def otherwise(key: bytes, states: list[bytes], is_result: bool) -> int:
        raise KeyError(key)

    fold = extension.Fold(raw([(b"a", b"\xc0")]), b"s", b"", (b"",), ((),), False, otherwise)
    with pytest.raises(KeyError):
        next(fold)
    assert [] == list(fold)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (b"s", (1,)),
        (b"t", ()),
        (b"v", (1, 1)),
        (b"q", ()),
        (b"q", (1,)),
        (b"q", (1, 1)),
        (b"q", (1, 1, 0)),
        (b"q", (1, 3, 2)),
        (b"q", (1, 1, 1 << 62)),
        (b"q", (1, 1, 2, 1, 2)),
        (b"Q", (1, 1, 2, 1)),
        (b"t", 5),
    ],
)
def test_wrong_options_are_refused(kind: bytes, options: Any) -> None:
    """A limit, a flag, or shares from 0 to 1."""
    with pytest.raises(ValueError, match="options"):
        extension.Fold([], kind, b"", (b"",), (options,), False, bytes)
    with pytest.raises(ValueError, match="options"):
        extension.Fold([], kind, b"", (b"",), (), False, bytes)


@pytest.mark.parametrize(
    ("program", "header", "prefixes"),
    [(b"", b"", ()), (b"z", b"", (b"",)), (b"ss", b"", (b"", b"")), (b"s", b"", ())],
)
def test_a_wrong_program_is_refused(
    program: bytes, header: bytes, prefixes: tuple[bytes, ...]
) -> None:
    """Each aggregation has a known kind and a prefix; several have a header."""
    with pytest.raises(ValueError, match="a kind and a prefix"):
        extension.Fold([], program, header, prefixes, ((),), False, bytes)
