"""Growth through measured points, with answers worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.forecast.figures import Growth, Point, line_through, medians, power_through

SIZES = st.floats(1e3, 1e9)
VALUES = st.floats(0, 1e6)


def _points(*pairs: tuple[float, float]) -> list[Point]:
    return [Point(size_bytes=size, value=value) for size, value in pairs]


def test_a_line_has_its_fixed_part_apart() -> None:
    """1 s and a second for each 100 bytes, through two points."""
    line = line_through(_points((100, 2.0), (400, 5.0)))
    assert pytest.approx(1.0) == line.fixed
    assert pytest.approx(0.01) == line.factor
    assert pytest.approx(11.0) == line.at(1000)


def test_one_size_grows_in_proportion() -> None:
    """Two tasks of one size say nothing of a fixed part."""
    assert pytest.approx(30.0) == line_through(_points((100, 2.0), (100, 4.0))).at(1000)


def test_memory_of_one_size_stays_as_it_is() -> None:
    """Most of a process's memory is there before its task: the mean stays."""
    points = _points((100, 2.0), (100, 4.0))
    assert pytest.approx(3.0) == line_through(points, level=True).at(1000)


def test_a_task_is_not_faster_for_being_larger() -> None:
    """A negative slope is noise: the mean stays."""
    assert pytest.approx(3.0) == line_through(_points((100, 4.0), (400, 2.0))).at(10_000)


def test_no_points_are_no_growth() -> None:
    """Without points the quantity is 0, and an empty task has the fixed part alone."""
    assert 0.0 == line_through([]).at(5)
    assert 0.0 == power_through([]).at(5)
    assert 2.0 == Growth(fixed=2.0, factor=1.0).at(0)


def test_a_power_is_that_of_the_growth() -> None:
    """Four times the bytes with twice the output is a square root; twice again at 1,600 bytes."""
    growth = power_through(_points((100, 10.0), (400, 20.0)))
    assert pytest.approx(0.5) == growth.power
    assert pytest.approx(40.0) == growth.at(1600)


def test_what_every_record_adds_grows_in_proportion() -> None:
    """Output never grows faster than the input."""
    assert pytest.approx(1.0) == power_through(_points((100, 10.0), (400, 90.0))).power
    assert pytest.approx(0.0) == power_through(_points((100, 10.0), (400, 9.0))).power
    assert pytest.approx(100.0) == power_through(_points((100, 10.0))).at(1000)
    assert 0.0 == power_through(_points((100, 0.0), (400, 0.0))).at(1000)


def test_a_task_that_was_held_up_moves_nothing() -> None:
    """Of three small and three large tasks one each took ten times as long."""
    points = _points((10, 1.0), (10, 1.1), (10, 10.0), (40, 4.0), (40, 40.0), (40, 4.1))
    assert [(10, 1.1), (40, 4.1)] == [(each.size_bytes, each.value) for each in medians(points)]
    assert [] == medians([])
    assert [(10, 2.0)] == [(each.size_bytes, each.value) for each in medians(_points((10, 2.0)))]


@given(st.lists(st.tuples(SIZES, VALUES), min_size=1, max_size=6), SIZES, SIZES)
def test_no_growth_is_negative_nor_falls(
    pairs: list[tuple[float, float]], one: float, other: float
) -> None:
    """Both kinds of growth are at least 0, and never less for a larger task."""
    small, large = sorted((one, other))
    for growth in (line_through(_points(*pairs)), power_through(_points(*pairs))):
        assert 0 <= growth.at(small) <= growth.at(large) * (1 + 1e-9)
