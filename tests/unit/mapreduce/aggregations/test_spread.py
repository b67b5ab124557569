"""Variance and standard deviation are exact, and do not depend on the splits."""

from __future__ import annotations

import random
import statistics
from fractions import Fraction
from math import isqrt, nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import StandardDeviation, Variance
from mapreduce.aggregate import NotAggregable
from mapreduce.aggregations.spread import rounded_root
from tests.unit.mapreduce.test_aggregate import merged_result, randoms

numbers = st.lists(
    st.floats(-1e150, 1e150) | st.integers(-(1 << 70), 1 << 70), min_size=1, max_size=30
)


@given(numbers, st.booleans(), randoms)
def test_any_splits_give_the_exact_variance(
    values: list[float], sample: bool, chance: random.Random
) -> None:
    """The merged variance is the exact one, rounded once, as the definition says."""
    count = len(values) - sample
    mean = Fraction(sum(map(Fraction, values)), len(values))
    expected = (
        float(sum((Fraction(value) - mean) ** 2 for value in values) / count) if count else None
    )
    variance = Variance(sample=sample)
    assert expected == merged_result(variance, values, chance) == variance.plain(values)


@given(numbers, st.booleans(), randoms)
def test_any_splits_give_the_rounded_deviation(
    values: list[float], sample: bool, chance: random.Random
) -> None:
    """The merged standard deviation is that of `statistics`, bit for bit."""
    deviation = StandardDeviation(sample=sample)
    assert merged_result(deviation, values, chance) == deviation.plain(values)


@given(st.fractions(min_value=0, max_denominator=10**6) | st.just(Fraction(1, 3 << 900)))
def test_a_root_is_correctly_rounded(number: Fraction) -> None:
    """No neighbour of the root is nearer to the exact one."""
    root = rounded_root(number, "the root")
    below = (Fraction(root) + Fraction(nextafter(root, 0))) / 2
    above = (Fraction(root) + Fraction(nextafter(root, float("inf")))) / 2
    assert below**2 <= number <= above**2


def test_known_values() -> None:
    """Population and sample, of values from a textbook."""
    values = [2, 4, 4, 4, 5, 5, 7, 9]
    assert (4.0, 2.0) == (Variance().plain(values), StandardDeviation().plain(values))
    assert statistics.variance(values) == pytest.approx(Variance(sample=True).plain(values))
    assert Variance(sample=True).result(Variance(sample=True).create(3)) is None
    assert StandardDeviation(sample=True).plain([3]) is None


def test_what_is_no_number_is_refused_by_name() -> None:
    """A bool is refused with what to write, and a deviation beyond the floats as well."""
    with pytest.raises(NotAggregable, match=r"Variance adds int or float values, not bool"):
        Variance().create(True)
    huge = [isqrt(10**640), -isqrt(10**640)]
    for refused in (
        StandardDeviation().plain,
        lambda each: merged_result(StandardDeviation(), each, random.Random(1)),
    ):
        with pytest.raises(NotAggregable, match="standard deviation is beyond the largest float"):
            refused(huge)
