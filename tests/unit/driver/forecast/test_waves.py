"""The wall time of a stage on shared slots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.forecast.waves import stage_wall_s, waves

TASKS = st.lists(st.floats(0, 1000), max_size=60)


def test_by_hand() -> None:
    """5, 4, 3, 3 and 3 s on two slots: 5 + 3 and 4 + 3 + 3."""
    assert 10.0 == stage_wall_s([3, 3, 5, 3, 4], 2)
    assert 0.0 == stage_wall_s([], 3)
    assert [0, 1, 1, 2] == [waves(tasks, 4) for tasks in (0, 1, 4, 5)]


def test_no_slot_is_refused() -> None:
    """A stage without a slot never ends."""
    with pytest.raises(ValueError, match="0 slots"):
        stage_wall_s([1.0], 0)


@given(TASKS, st.integers(1, 9))
def test_between_the_bounds_of_any_schedule(tasks: list[float], slots: int) -> None:
    """At least the longest task and the even share, at most both together."""
    wall = stage_wall_s(tasks, slots)
    longest, share = max(tasks, default=0.0), sum(tasks) / slots
    assert max(longest, share) * (1 - 1e-9) <= wall <= (longest + share) * (1 + 1e-9)


@given(TASKS, st.integers(1, 9))
def test_one_slot_is_the_sum_and_many_the_longest(tasks: list[float], slots: int) -> None:
    """With one slot the tasks add up; with one for each, the longest counts."""
    assert pytest.approx(sum(tasks)) == stage_wall_s(tasks, 1)
    assert max(tasks, default=0.0) == stage_wall_s(tasks, len(tasks) + slots)
