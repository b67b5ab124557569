"""The time axis keeps the order of times, and compresses idle stretches."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.report.page.axis import axis

Spans = st.lists(
    st.tuples(st.floats(0, 2000), st.floats(0, 100)).map(lambda each: (each[0], sum(each))),
    max_size=20,
)


@given(Spans, st.lists(st.floats(0, 2100), min_size=2, max_size=20))
def test_later_times_are_never_placed_before_earlier_ones(
    busy: list[tuple[float, float]], times: list[float]
) -> None:
    """The places of times have their order, and lie between 0 and 100."""
    scale = axis(0.0, 2100.0, busy)
    places = [scale.place(at) for at in sorted(times)]
    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)


@given(Spans)
def test_a_gap_is_a_stretch_of_over_30_seconds_in_which_nothing_runs(
    busy: list[tuple[float, float]],
) -> None:
    """Each compressed stretch is long, and no span lies in it; each such stretch is compressed."""
    scale = axis(0.0, 2100.0, busy)
    for start, end in scale.gaps:
        assert end - start > 30
        assert not any(first < end and last > start for first, last in busy)
    covered = sorted([(0.0, 0.0), (2100.0, 2100.0), *busy])
    idle, reached = [], 0.0
    for first, last in covered:
        if first - reached > 30:
            idle.append((reached, first))
        reached = max(reached, last)
    assert idle == list(scale.gaps)


def test_without_a_gap_the_axis_is_linear() -> None:
    """A time halfway is placed halfway."""
    assert axis(100.0, 110.0, [(100.0, 110.0)]).place(105.0) == 50


def test_an_hour_of_waiting_takes_little_of_the_axis() -> None:
    """Ten seconds of work on both sides of it keep nearly half of the width each."""
    scale = axis(0.0, 3620.0, [(0.0, 10.0), (3610.0, 3620.0)])
    assert scale.place(10.0) == pytest.approx(48, abs=1)
    assert scale.place(3610.0) == pytest.approx(52, abs=1)


@pytest.mark.parametrize("seconds", [0.001, 0.3, 7, 59, 61, 600, 5000, 40_000, 400_000])
def test_there_are_some_marks_and_none_touches_the_next(seconds: float) -> None:
    """Between 2 and 12 marks, in order, for an axis of any length."""
    marks = axis(0.0, seconds, [(0.0, seconds)]).ticks
    assert 2 <= len(marks) <= 12
    assert all(after - before >= 3 for (before, _), (after, _) in pairwise(marks))
    assert marks[0] == (0.0, 0.0)


def test_no_mark_lies_in_a_gap() -> None:
    """A mark within a compressed stretch would lie about its length."""
    scale = axis(0.0, 1000.0, [(0.0, 10.0), (990.0, 1000.0)])
    assert all(not 10 < seconds < 990 for _, seconds in scale.ticks)
    assert any(seconds >= 990 for _, seconds in scale.ticks)


def test_a_run_of_no_length_has_an_axis() -> None:
    """A run that has just begun is drawn too."""
    assert axis(5.0, 5.0, []).place(5.0) == 0
