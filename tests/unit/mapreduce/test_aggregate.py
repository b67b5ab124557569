"""The answer does not depend on the splits, nor on the order in which states are merged."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import Aggregation, CollectList, CollectSet, Count, Max, Mean, Min, Sum, TopK
from mapreduce.aggregate import NotAggregable, expansion
from mapreduce.encoding import decode_value, encode_value
from tests.unit.mapreduce.any_keys import rank

randoms = st.randoms(use_true_random=False)
integers = st.integers(-(1 << 70), 1 << 70)
small_integers = st.integers(-(1 << 40), 1 << 40)
# their sums fit a float; their exponents differ much, so that rounding at each step would show
floats = st.floats(-1e300, 1e300) | st.sampled_from(
    [1e16, 1.0, -1e16, 0.1, 1e-300, 1e300, -1e300, -0.0]
)
all_numbers = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(1 << 1100), 1 << 1100)
    | st.sampled_from([1.7e308, -1.7e308, 1e308, 5e-324, (1 << 53) + 1, 2.0**900, 0.5])
)
ties = st.sampled_from([0, 0.0, False, 1, 1.0, True, 2, -1])
texts = st.text(alphabet="ab\x00é", max_size=3)


def merged_result(aggregation: Aggregation[Any], values: list[Any], chance: random.Random) -> Any:
    """Return the result with random splits and merges, and each state encoded and decoded."""
    states: list[Any] = []
    for value in values:
        if states and chance.random() < 0.7:
            states[-1] = aggregation.add(states[-1], value)
        else:
            states.append(aggregation.create(value))
    states = [_carried(state) for state in states]
    while len(states) > 1:
        at = chance.randrange(len(states) - 1)
        states[at : at + 2] = [_carried(aggregation.merge(states[at], states[at + 1]))]
    return aggregation.result(states[0])


def _carried(state: Any) -> Any:
    return decode_value(encode_value(state))


AGGREGATIONS: list[tuple[Aggregation[Any], st.SearchStrategy[Any]]] = [
    (Sum(), integers),
    (Sum(), floats),
    (Sum(), small_integers | floats),
    (Sum(), st.tuples(small_integers, floats)),
    (Sum(), st.lists(small_integers | floats, min_size=2, max_size=2)),
    (Sum(), st.tuples(st.tuples(small_integers), st.just(0.1))),
    (Mean(), st.tuples(small_integers, floats)),
    (Count(), integers | texts),
    (Min(), integers),
    (Min(), floats | small_integers),
    (Min(), texts),
    (Max(), integers),
    (Max(), st.tuples(small_integers, texts)),
    (Mean(), integers),
    (Mean(), floats),
    (TopK(1), ties),
    (TopK(3), ties),
    (TopK(2, smallest=True), ties),
    (TopK(5), st.tuples(st.integers(0, 3), texts)),
    (CollectList(), ties | texts),
    (
        CollectSet(),
        ties.filter(lambda value: repr(value) != "-0.0") | texts | st.tuples(texts, ties),
    ),
]


@pytest.mark.parametrize(
    ("aggregation", "items"),
    AGGREGATIONS,
    ids=lambda item: type(item).__name__ if isinstance(item, Aggregation) else "",
)
@given(data=st.data(), chance=randoms)
def test_any_splits_and_any_merge_tree(
    aggregation: Aggregation[Any],
    items: st.SearchStrategy[Any],
    data: st.DataObject,
    chance: random.Random,
) -> None:
    """The merged result equals `plain` over all values, with exact types and bits."""
    values = data.draw(st.lists(items, min_size=1, max_size=60))
    expected = repr(aggregation.plain(list(values)))
    assert expected.replace("-0.0", "0.0") == repr(
        merged_result(aggregation, values, chance)
    ).replace("-0.0", "0.0")


@given(st.lists(integers, min_size=1, max_size=40), randoms)
def test_sum_of_integers_is_exact(values: list[int], chance: random.Random) -> None:
    """A sum of integers is exact beyond 64 bits."""
    expected = 0
    for value in values:
        expected += value
    assert expected == Sum().plain(values) == merged_result(Sum(), values, chance)


@given(st.lists(all_numbers, min_size=1, max_size=80), randoms)
def test_sums_and_means_are_exactly_rounded(values: list[float], chance: random.Random) -> None:
    """Sums and means are exact and rounded once, also if a partial sum exceeds the largest float;
    states stay small.
    """
    exact_sum = sum(map(Fraction, values), Fraction(0))
    for aggregation, exact in ((Sum(), exact_sum), (Mean(), exact_sum / len(values))):
        whole = isinstance(aggregation, Sum) and all(type(value) is int for value in values)
        try:
            expected = int(exact) if whole else float(exact)
        except OverflowError:
            with pytest.raises(NotAggregable, match="beyond the largest float"):
                merged_result(aggregation, values, chance)
            with pytest.raises(NotAggregable, match="beyond the largest float"):
                aggregation.plain(values)
            continue
        merged = merged_result(aggregation, values, chance)
        assert repr(expected) == repr(merged) == repr(aggregation.plain(values))


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ([1e308, 1e308, -1e308], 1e308),
        ([1.7e308] * 40 + [-1.7e308] * 39, 1.7e308),
        ([2**53 + 1, 0.5, -0.5], float(2**53 + 1)),
        ([10**400, 0.5, -(10**400)], 0.5),
        ([5e-324, 1e308, 1e308, -1e308, -1e308], 5e-324),
    ],
)
def test_sums_beyond_the_largest_float_on_the_way(values: list[float], total: float) -> None:
    """A sum whose partial sums exceed the largest float is right, in any order."""
    for seed in range(20):
        mixed = random.Random(seed).sample(values, len(values))
        assert total == merged_result(Sum(), mixed, random.Random(seed))


def test_the_state_of_huge_floats_can_be_carried() -> None:
    """The state of huge floats has finite floats and ints, and does not grow with the number of
    values.
    """
    state: Any = Sum().create(1.7e308)
    for number in range(10_000):
        state = Sum().add(state, (-1) ** number * 1.7e308 * (number % 7 > 2) + 0.1 * number)
    assert decode_value(encode_value(state)) == state
    assert len(encode_value(state)) < 1000


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([(1, 2), (1, 2, 3)], r"\(1, 2, 3\) to \(1, 2\)"),
        ([[1, 2], (1, 2)], r"\(1, 2\) to \[1, 2\]"),
        ([(1, 2), 5], r"5 to \(1, 2\)"),
        ([5, (1, 2)], r"\(1, 2\) to 5"),
        ([[1.5], [1, 2.5]], r"\[1, 2.5\] to \[1.5\]"),
    ],
)
def test_rows_of_other_forms_are_not_added(values: list[Any], shown: str) -> None:
    """Tuples and lists of two lengths or kinds are refused with both, when added or merged."""
    one, other = values
    with pytest.raises(NotAggregable, match=shown):
        Sum().add(Sum().create(one), other)
    with pytest.raises(NotAggregable, match=shown):
        Sum().merge(Sum().create(one), Sum().create(other))
    with pytest.raises(NotAggregable, match="Mean adds numbers, or tuples or lists of one length"):
        Mean().plain(values)


def test_rows_are_added_exactly() -> None:
    """Each element is the exact sum, and what is no number is refused by name."""
    rows = [(1, 1e16), (1 << 70, 1.0), (2, -1e16)]
    assert ((1 << 70) + 3, 1.0) == merged_result(Sum(), rows, random.Random(1))
    with pytest.raises(NotAggregable, match="Sum adds int or float values, not str: 'x'"):
        Sum().create((1, "x"))


def test_mean_of_large_integers() -> None:
    """The mean of integers beyond 64 bits is that of their exact sum."""
    assert float((1 << 80) + 1) == merged_result(Mean(), [1 << 80, (1 << 80) + 2], random.Random(1))


@given(st.lists(ties, min_size=1, max_size=60), st.integers(1, 5), st.booleans(), randoms)
def test_top_k_ties(values: list[Any], k: int, smallest: bool, chance: random.Random) -> None:
    """Of equal values the first ones are kept, in order."""
    expected: list[Any] = []
    left = list(values)
    while left and len(expected) < k:
        best = min(left) if smallest else max(left)  # both return the first of equal ones
        at = next(number for number, value in enumerate(left) if value == best)
        expected.append(left.pop(at))
    assert repr(expected) == repr(merged_result(TopK(k, smallest=smallest), values, chance))


def test_top_k_needs_a_k() -> None:
    """TopK(0) raises ValueError."""
    with pytest.raises(ValueError, match="not 0"):
        TopK(0)


@given(st.lists(texts, min_size=1, max_size=50), randoms)
def test_collect_list_keeps_the_order(values: list[str], chance: random.Random) -> None:
    """All values are in the order of the input."""
    assert values == merged_result(CollectList(), values, chance)


@given(st.lists(st.integers(0, 200) | texts, min_size=1, max_size=300), randoms)
def test_collect_set_is_distinct_and_sorted(values: list[Any], chance: random.Random) -> None:
    """Each value is kept once, in key order; `1` and `True` differ."""
    expected = sorted({(type(value), value): value for value in values}.values(), key=rank)
    assert expected == merged_result(CollectSet(), values, chance)


def test_collect_set_does_not_grow_with_repetitions() -> None:
    """The state of many repeated values stays small."""
    state = CollectSet().create("0")
    for number in range(10_000):
        state = CollectSet().add(state, str(number % 7))
    assert len(state) < 200
    assert list("0123456") == CollectSet().result(state)


def test_float_sum_does_not_grow_with_its_values() -> None:
    """The state of many floats is a short expansion."""
    state: Any = Sum().create(0.1)
    for number in range(10_000):
        state = Sum().add(state, 0.1 * number)
    assert len(state) < 64


@pytest.mark.parametrize(
    ("value", "error", "named"),
    [
        ("1", TypeError, "Sum adds int or float values, not str: '1'"),
        (True, TypeError, "not bool: True"),
        (None, TypeError, "not NoneType"),
        (float("nan"), TypeError, "Sum cannot add nan; skip the record"),
        (float("inf"), TypeError, "Sum cannot add inf; skip the record"),
    ],
)
def test_sum_refuses_values_that_are_no_number(
    value: Any, error: type[Exception], named: str
) -> None:
    """Sum and Mean refuse a value that is no number, as the first and as a later value."""
    with pytest.raises(error, match=named):
        Sum().create(value)
    with pytest.raises(error, match=named):
        Sum().add(3, value)
    with pytest.raises(error, match=named):
        Sum().add([0, 1.5], value)
    with pytest.raises(error, match=named.replace("Sum", "Mean")):
        Mean().create(value)
    with pytest.raises(error, match=named.replace("Sum", "Mean")):
        Mean().add([1, 3], value)
    for aggregation in (Sum(), Mean()):
        with pytest.raises(error, match=named.removeprefix("Sum")):
            aggregation.plain([1, value])


@pytest.mark.parametrize(
    ("aggregation", "values"),
    [
        (Min(), [1, "a"]),
        (Max(), ["a", b"a"]),
        (TopK(3), [(1, "a"), (1, 2)]),
        (Min(), [None]),
        (Max(), [{"a": 1}]),
        (TopK(1), [{}]),
        (TopK(1), [1, None]),
        (CollectSet(), [[1]]),
        (CollectSet(), [1, {"a": 1}]),
        (CollectSet(), [[None]]),
    ],
)
def test_values_that_have_no_order_are_refused(
    aggregation: Aggregation[Any], values: list[Any]
) -> None:
    """Values without an order are refused when they are added, and when states are merged."""
    with pytest.raises(NotAggregable):
        state = aggregation.create(values[0])
        aggregation.add(state, values[-1])
    with pytest.raises(NotAggregable):
        first, last = aggregation.create(values[0]), aggregation.create(values[-1])
        aggregation.result(aggregation.merge(first, last))
    with pytest.raises(NotAggregable):
        aggregation.plain(values)


def test_float_sum_beyond_a_float_is_an_error() -> None:
    """A sum beyond the largest float raises, and is never infinity."""
    with pytest.raises(NotAggregable, match="beyond the largest float"):
        Sum().result(Sum().merge(Sum().create(1.7e308), Sum().create(1.7e308)))


@given(st.lists(floats, max_size=60))
def test_expansion_is_exact(numbers: list[float]) -> None:
    """The parts have exactly the sum of the numbers, and are few."""
    parts = expansion(numbers)
    assert sum(map(Fraction, numbers)) == sum(map(Fraction, parts))
    assert len(parts) <= 45
