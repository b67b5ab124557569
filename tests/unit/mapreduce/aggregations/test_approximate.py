"""An approximate quantile is within its error, and does not depend on the splits."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import ApproximateQuantile
from mapreduce.aggregate import NotAggregable
from tests.unit.mapreduce.test_aggregate import merged_result, randoms

finite = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
values_of_a_key = st.lists(finite | st.integers(-(1 << 80), 1 << 80), min_size=1, max_size=60)


@given(values_of_a_key, st.integers(0, 20), randoms)
def test_it_is_near_the_value_of_its_rank(
    values: list[float], twentieths: int, chance: random.Random
) -> None:
    """The result lies within 0.4 % of the value at the nearest rank."""
    aggregation = ApproximateQuantile(twentieths / 20)
    exact = sorted(values)[max(0, math.ceil(twentieths * len(values) / 20) - 1)]
    found = merged_result(aggregation, values, chance)
    assert abs(found - exact) <= 0.004 * abs(exact)
    assert found == aggregation.plain(values)


def test_the_state_is_bounded() -> None:
    """A hundred thousand values over three powers of ten take some hundred buckets."""
    state = ApproximateQuantile(0.5).create(1)
    for number in range(1, 100_000, 7):
        state = ApproximateQuantile(0.5).add(state, number / 100)
    assert len(state) < 1_500


def test_wrong_values_are_refused() -> None:
    """A text is no number, and 95 is no quantile."""
    with pytest.raises(NotAggregable, match="ApproximateQuantile adds int or float"):
        ApproximateQuantile(0.5).create("1")
    with pytest.raises(ValueError, match=r"ApproximateQuantile\(0.95\)"):
        ApproximateQuantile(95)


def test_an_int_beyond_the_floats_counts_as_the_largest() -> None:
    """It does not end the run."""
    assert 1.7e308 < ApproximateQuantile(0.5).plain([10**400])
