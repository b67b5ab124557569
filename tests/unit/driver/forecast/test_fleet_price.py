"""The price of tasks by the second, against the published formula."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.forecast.fleet_price import PricedFleet, TaskSize
from driver.forecast.pricing import (
    GIB_HOUR,
    GUARD,
    PUBLIC_ADDRESS_HOUR,
    VCPU_HOUR,
    ServiceSize,
    running_hour,
)
from driver.transport.endpoint import Role

SIZES: dict[Role, TaskSize] = {
    "splitter": TaskSize(cpu=256, memory=512),
    "mapper": TaskSize(cpu=2048, memory=4096),
    "reducer": TaskSize(cpu=1024, memory=8192),
}
COUNTS: dict[Role, int] = {"splitter": 1, "mapper": 3, "reducer": 1}
FLEET = PricedFleet(sizes=SIZES, usual=COUNTS)


def test_by_hand() -> None:
    """An hour of a mapper: 2 vCPU, 4 GiB, an address."""
    used = FLEET.usage({"mapper": 3600.0}, 3600.0)
    assert pytest.approx((7200.0, 14400.0)) == (used.vcpu_s, used.gib_s)
    price = 2 * VCPU_HOUR["X86_64"] + 4 * GIB_HOUR["X86_64"] + PUBLIC_ADDRESS_HOUR
    assert pytest.approx(price) == used.usd
    assert 0.0 == used.spot_saved_usd


def test_spot_saves_seven_tenths_of_its_share() -> None:
    """With half of the tasks on Spot, 35 % of their price is saved, and nothing of addresses."""
    spot = FLEET.model_copy(update={"spot_share": 50})
    full, half = (each.usage({"mapper": 3600.0}, 0.0) for each in (FLEET, spot))
    assert pytest.approx(0.35 * (full.usd - PUBLIC_ADDRESS_HOUR)) == half.spot_saved_usd
    assert pytest.approx(full.usd) == half.usd + half.spot_saved_usd


@given(
    st.sampled_from(["X86_64", "ARM64"]),
    st.integers(0, 100),
    st.booleans(),
    st.booleans(),
    st.tuples(*[st.integers(0, 20)] * 3),
)
def test_an_hour_of_tasks_costs_what_the_stack_says(
    architecture: str, spot: int, is_public: bool, guarded: bool, counts: tuple[int, int, int]
) -> None:
    """Usage by the second and `pricing.running_hour` agree for any fleet, with the guard."""
    fleet = PricedFleet(
        sizes=SIZES,
        usual=COUNTS,
        architecture=architecture,
        spot_share=spot,
        is_public=is_public,
        guarded=guarded,
    )
    by_role: dict[Role, int] = dict(zip(SIZES, counts, strict=True))
    sizes = [
        ServiceSize(count, SIZES[role].cpu, SIZES[role].memory, spot, is_public=is_public)
        for role, count in by_role.items()
    ]
    if guarded and any(counts):
        sizes.append(ServiceSize(1, GUARD.cpu, GUARD.memory, spot, is_public=is_public))
    hour = running_hour(sizes, fleet.architecture)
    assert pytest.approx(hour) == fleet.hour_usd(by_role)
    task_s = {role: count * 3600.0 for role, count in by_role.items()}
    used = fleet.usage(task_s, 3600.0 if guarded and any(counts) else 0.0)
    assert pytest.approx(hour) == used.usd
