"""When the idle guard stops the fleet."""

from __future__ import annotations

import pytest

from services.guard.decide import Lease, stops_at

MINUTE = 60.0
IDLE = 30 * MINUTE


def test_a_fleet_without_a_run_stays_for_the_limit() -> None:
    """A fleet that `terraform apply` has started stops when the limit is over."""
    assert 1000 + IDLE == stops_at([], began=1000, idle_s=IDLE)


@pytest.mark.parametrize(
    ("leases", "expected"),
    [
        pytest.param([Lease(2000, IDLE)], 2000 + IDLE, id="a run in progress"),
        pytest.param([Lease(2000, IDLE), Lease(2400, IDLE)], 2400 + IDLE, id="two runs"),
        pytest.param([Lease(2000, 10 * MINUTE)], 2600, id="--keep 10m, shorter than the limit"),
        pytest.param([Lease(2000, 7200)], 9200, id="--keep 2h, longer than the limit"),
        pytest.param([Lease(900, 7200)], 1000 + IDLE, id="a lease of the fleet before"),
        pytest.param([Lease(900, 7200), Lease(1000, 60)], 1060, id="one at the first look"),
    ],
)
def test_a_lease_says_how_long_the_fleet_stays(leases: list[Lease], expected: float) -> None:
    """The latest end of a lease since the guard began counts, and no older one."""
    assert expected == stops_at(leases, began=1000, idle_s=IDLE)
