"""The top pairs of a result."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce.engine.top_pairs import TopPairs, weight


@given(st.lists(st.integers(-5, 5) | st.floats(-5, 5)), st.integers(0, 8))
def test_against_a_sort(values: list[float], limit: int) -> None:
    """The top pairs are the start of all pairs sorted by weight, and of equal ones the first."""
    kept = TopPairs(limit)
    for number, value in enumerate(values):
        kept.offer(number, value)
    assert sorted(enumerate(values), key=lambda pair: -pair[1])[:limit] == kept.pairs()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3),
        (-1.5, -1.5),
        (True, 1),
        (1 << 80, 1 << 80),
        ("abc", 3),
        ([1, 2], 2),
        ({"a": 1}, 1),
        (b"", 0),
        (None, 0),
    ],
)
def test_weight(value: Any, expected: float) -> None:
    """A number's weight is its value, a sized value's its length, and any other's 0."""
    assert expected == weight(value)


def test_pairs_are_never_compared() -> None:
    """Keys and values need not compare with each other."""
    kept = TopPairs(2)
    for key, value in (("a", "xy"), (1, [1, 2]), (b"", {"a": 1, "b": 2}), (None, 2)):
        kept.offer(key, value)
    assert [("a", "xy"), (1, [1, 2])] == kept.pairs()
