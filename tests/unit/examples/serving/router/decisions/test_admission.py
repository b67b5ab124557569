"""Whether a request is sent, waits, or is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.serving.router.decisions.admission import Limits, verdict, with_place

LIMITS = Limits(in_flight=4, waiting=2)


@pytest.mark.parametrize(
    ("loads", "waiting", "expected"),
    [
        ([0], 0, "send"),
        ([4, 3], 0, "send"),
        ([4, 4], 0, "wait"),
        ([4, 4], 1, "wait"),
        ([4, 4], 2, "refuse"),
        ([5, 9], 2, "refuse"),
        # a place is free, but others have waited for it
        ([4, 3], 1, "wait"),
        ([4, 3], 2, "refuse"),
        # no replica: nothing to wait for
        ([], 0, "refuse"),
    ],
)
def test_the_verdict(loads: list[int], waiting: int, expected: str) -> None:
    """A place below the limit is used, a few wait, the others are refused."""
    assert verdict(loads, waiting, LIMITS) == expected


@given(st.lists(st.integers(0, 8), max_size=8))
def test_a_request_is_sent_exactly_if_there_is_a_place(loads: list[int]) -> None:
    """The verdict of an empty queue and the places agree."""
    assert (verdict(loads, 0, LIMITS) == "send") == bool(with_place(loads, LIMITS))
    assert all(loads[index] < 4 for index in with_place(loads, LIMITS))
