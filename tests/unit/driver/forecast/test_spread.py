"""Ranges from the ratios of earlier runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.forecast.receipt import Range
from driver.forecast.spread import Spread, quantile, spread_of

RATIOS = st.lists(st.floats(0.01, 100), min_size=3, max_size=20)


def test_without_a_run_the_range_is_wide() -> None:
    """Half to three times, as the plan says; ratios that are not positive do not count."""
    assert Range(low=5.0, high=30.0) == Spread().of(10.0)
    assert Spread() == spread_of([]) == spread_of([0.0, -1.0, float("inf"), float("nan")])


def test_one_run_moves_the_range() -> None:
    """A run that took eight times its forecast may be odd: four times, and twice either way."""
    found = spread_of([8.0])
    assert pytest.approx((2.0, 4.0, 8.0)) == (found.low, found.middle, found.high)


def test_a_few_runs_give_the_widest_range() -> None:
    """From the third on the high end is twice the low end, whatever they say."""
    found = spread_of([1.0, 1.0, 1.0])
    assert pytest.approx((0.5**0.5, 1.0, 2**0.5)) == (found.low, found.middle, found.high)


def test_many_equal_runs_keep_a_margin() -> None:
    """Ten runs as forecast do not promise the next one to the second."""
    found = spread_of([1.0] * 10)
    assert pytest.approx((1 / 1.15, 1.15)) == (found.low, found.high)


def test_a_run_with_more_weight_counts_more() -> None:
    """Three parts of five."""
    assert pytest.approx(2.0) == spread_of([2.0, 1.0, 1.0], [3.0, 1.0, 1.0]).middle


def test_one_odd_run_of_three_moves_nothing() -> None:
    """A machine that was busy for once."""
    assert pytest.approx(1.1) == spread_of([1.0, 1.1, 9.0]).middle


def test_quantiles_lie_between_their_neighbours() -> None:
    """A tenth of the way from 1 to 2 among eleven values."""
    values = [float(number) for number in range(11)]
    assert [0.0, 1.0, 5.0, 10.0] == [quantile(values, share) for share in (0, 0.1, 0.5, 1)]
    assert pytest.approx(0.25) == quantile([0.0, 1.0], 0.25)


@given(RATIOS)
def test_after_three_runs_the_high_end_is_at_most_twice_the_low_end(ratios: list[float]) -> None:
    """The promise of the plan, for any history; the middle lies inside."""
    found = spread_of(ratios)
    assert found.high <= found.low * 2 * (1 + 1e-9)
    assert found.low <= found.middle * (1 + 1e-9)
    assert found.middle <= found.high * (1 + 1e-9)


@given(st.lists(st.floats(0.9, 1.1), min_size=3, max_size=20))
def test_runs_that_agree_lie_in_their_range(ratios: list[float]) -> None:
    """At least eight of ten ratios within ten percent lie in the range that they give."""
    found = spread_of(ratios)
    held = sum(found.low * (1 - 1e-9) <= ratio <= found.high * (1 + 1e-9) for ratio in ratios)
    assert held >= 0.8 * len(ratios)
