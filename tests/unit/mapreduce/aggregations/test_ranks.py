"""Quantiles, the value with the greatest rank, first and last: as in plain Python over all."""

from __future__ import annotations

import random
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import Aggregation, ArgMax, ArgMin, First, Last, Quantile, Quantiles
from mapreduce.aggregate import NotAggregable
from tests.unit.mapreduce.test_aggregate import merged_result, randoms, texts, ties

numbers = st.integers(-5, 5) | st.floats(-1e6, 1e6) | st.sampled_from([0.5, 1.0, -0.0])
many = st.lists(numbers, min_size=1, max_size=200)


@given(st.lists(ties | texts, min_size=1, max_size=40), randoms)
def test_first_and_last(values: list[Any], chance: random.Random) -> None:
    """The first and the last value of the input, wherever it is split."""
    assert repr(values[0]) == repr(merged_result(First(), values, chance))
    assert repr(values[-1]) == repr(merged_result(Last(), values, chance))


@given(st.lists(st.tuples(st.integers(0, 3), texts), min_size=1, max_size=40), randoms)
def test_the_value_of_the_greatest_rank(
    values: list[tuple[int, str]], chance: random.Random
) -> None:
    """Of equal ranks the first value is kept; values are never compared."""
    highest, least = max(rank for rank, _ in values), min(rank for rank, _ in values)
    first = dict(reversed(values))
    assert first[highest] == merged_result(ArgMax(), values, chance) == ArgMax().plain(values)
    assert first[least] == merged_result(ArgMin(), values, chance) == ArgMin().plain(values)


@given(many, randoms)
def test_quantiles_interpolate_as_statistics_does(
    values: list[float], chance: random.Random
) -> None:
    """The quartiles are those of `statistics.quantiles`, the median its median."""
    values = values if len(values) > 1 else values * 2
    found = merged_result(Quantiles(0, 0.25, 0.5, 0.75, 1), values, chance)
    assert found == Quantiles(0, 0.25, 0.5, 0.75, 1).plain(values)
    assert found[1:-1] == pytest.approx(statistics.quantiles(values, n=4, method="inclusive"))
    assert [min(values), statistics.median(values), max(values)] == pytest.approx(found[::2])


@given(st.lists(texts, min_size=1, max_size=200), st.integers(1, 20), randoms)
def test_nearest_rank_is_one_of_the_values(
    values: list[str], twentieths: int, chance: random.Random
) -> None:
    """At least this share of the values is not greater, and for no lesser value is it so."""
    found = merged_result(Quantile(twentieths / 20, interpolate=False), values, chance)
    assert 20 * sum(value <= found for value in values) >= twentieths * len(values)
    assert 20 * sum(value < found for value in values) < twentieths * len(values)


def test_a_quantile_is_the_decimal_that_is_written() -> None:
    """0.95 of 21 values is the twentieth exactly, though the float 0.95 is a little less."""
    assert 19.0 == Quantile(0.95).plain(list(range(21)))
    assert 19.0 == merged_result(Quantile(0.95), list(range(21)), random.Random(3))


def test_the_state_holds_each_value_once() -> None:
    """A state of many equal values is short."""
    state = Quantile(0.5).create(0)
    for number in range(20_000):
        state = Quantile(0.5).add(state, number % 7)
    assert sum(map(len, state)) < 200
    assert 3.0 == Quantile(0.5).result(state)


@pytest.mark.parametrize(
    ("aggregation", "values", "message"),
    [
        (Quantile(0.5), ["a"], "Quantile adds int or float values"),
        (Quantile(0.5, interpolate=False), [1, "a"], "does not compare with"),
        (Quantile(0.5, interpolate=False), [[1]], "values that a key supports"),
        (ArgMax(), [3], r"takes pairs \(rank, value\), not int"),
        (ArgMax(), [(1, 2), ("a", 2)], "does not compare with"),
        (ArgMin(), [({}, 2)], "has no order"),
    ],
)
def test_other_values_are_refused(
    aggregation: Aggregation[Any], values: list[Any], message: str
) -> None:
    """A value that does not fit is refused in a run and by the definition."""
    with pytest.raises(NotAggregable, match=message):
        merged_result(aggregation, values, random.Random(1))
    with pytest.raises(NotAggregable, match=message):
        aggregation.plain(values)


@pytest.mark.parametrize("wrong", [1.5, -0.1, "0.5", True, float("nan")])
def test_a_quantile_lies_between_0_and_1(wrong: Any) -> None:
    """Another number is refused where it is written, and so is none at all."""
    with pytest.raises(ValueError, match=r"write Quantile\(0.95\)"):
        Quantile(wrong)
    with pytest.raises(ValueError, match="needs a quantile"):
        Quantiles()
