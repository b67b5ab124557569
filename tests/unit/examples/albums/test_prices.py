"""The prices that the README and Terraform name are those of the price list."""

from __future__ import annotations

from pathlib import Path

from driver.forecast.pricing import GIB_HOUR, PUBLIC_ADDRESS_HOUR, VCPU_HOUR

ALBUMS = Path(__file__).resolve().parents[4] / "examples" / "albums"
MONTH_HOURS = 730
LOAD_BALANCER_HOUR = 0.0225
"""An application load balancer in us-east-1: https://aws.amazon.com/elasticloadbalancing/pricing/"""


def test_the_readme_adds_up() -> None:
    """The table's sums follow from the prices of a vCPU, a GiB, an address, a load balancer."""
    size = 0.25 * VCPU_HOUR["X86_64"] + 0.5 * GIB_HOUR["X86_64"]
    balancer = LOAD_BALANCER_HOUR + 2 * PUBLIC_ADDRESS_HOUR
    text = (ALBUMS / "README.md").read_text()
    for hour in (size, PUBLIC_ADDRESS_HOUR, size + PUBLIC_ADDRESS_HOUR, balancer):
        row = f"${hour:.5f}", f"${hour * MONTH_HOURS:.2f}"
        assert any(all(price in line for price in row) for line in text.splitlines()), row
    assert f"vCPU at ${VCPU_HOUR['X86_64']}" in text
    assert f"GiB at ${GIB_HOUR['X86_64']}" in text


def test_terraform_says_what_a_load_balancer_costs() -> None:
    """The variable that turns it on has its price."""
    hour = LOAD_BALANCER_HOUR + 2 * PUBLIC_ADDRESS_HOUR
    text = (ALBUMS / "terraform" / "variables.tf").read_text()
    assert f"${hour:.4f} an hour or ${hour * MONTH_HOURS:.2f} in a month" in text
