"""How far ahead a worker may compute."""

from __future__ import annotations

import pytest

from examples.parameter_server.core.clock import is_fresh, may_begin


@pytest.mark.parametrize(
    ("clock", "version", "staleness", "expected"),
    [
        (4, 4, 0, True),
        (5, 4, 0, False),
        (7, 4, 3, True),
        (8, 4, 3, False),
        (99, 4, None, True),
    ],
)
def test_a_clock_begins_within_the_bound(
    clock: int, version: int, staleness: int | None, expected: bool
) -> None:
    """BSP leases the present clock alone, SSP some more, ASP any."""
    assert expected == may_begin(clock, version, staleness)


@pytest.mark.parametrize(
    ("clock", "version", "staleness", "expected"),
    [
        (4, 4, 0, True),
        (4, 3, 0, False),
        (4, 5, 0, False),
        (7, 4, 3, True),
        (7, 3, 3, False),
        (7, 8, 3, True),
        (7, 0, None, True),
        (7, 9, None, True),
    ],
)
def test_a_gradient_is_fresh_within_the_bound(
    clock: int, version: int, staleness: int | None, expected: bool
) -> None:
    """Parameters may lack as many clocks as the bound says; in BSP they are exactly those."""
    assert expected == is_fresh(clock, version, staleness)
