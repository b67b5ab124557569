"""Ranges of the parameters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from examples.parameter_server.core.ranges import ranges


def test_the_first_ranges_are_longer() -> None:
    """Ten parameters on three servers are four, three and three."""
    assert ((0, 4), (4, 7), (7, 10)) == ranges(10, 3)


@given(st.integers(0, 10_000), st.integers(1, 64))
def test_ranges_cover_the_vector_once(parameters: int, servers: int) -> None:
    """Each parameter is in one range, and the lengths differ by one at most."""
    found = ranges(parameters, servers)
    assert servers == len(found)
    assert [*range(parameters)] == [each for start, end in found for each in range(start, end)]
    lengths = [end - start for start, end in found]
    assert max(lengths) - min(lengths) <= 1
