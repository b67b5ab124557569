"""What a stack costs that does nothing, against AWS's price lists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from driver.forecast.pricing import (
    ALARM_METRIC_MONTH,
    ALARM_METRICS,
    DASHBOARD_MONTH,
    DATA_OUT_FREE_GB,
    DATA_OUT_GB,
    LOG_METRIC_MONTH,
    LOGS_GB,
    STORAGE_GIB_MONTH,
    ServiceDiscovery,
    resource_day,
    standing_month,
)

ROOT = Path(__file__).resolve().parents[4]
PAGE = ROOT / "docs" / "how-to" / "aws-accounts.md"
TERRAFORM = ROOT / "terraform"


@pytest.mark.parametrize(("kind", "dollars"), [("api", 0.0), ("none", 0.0), ("dns", 0.50)])
def test_a_stopped_stack_costs_its_zone(kind: ServiceDiscovery, dollars: float) -> None:
    """A stopped stack costs $0.50 for a private hosted zone, and nothing without one; the page
    says so for each kind.
    """
    assert standing_month(kind) == pytest.approx(dollars)
    assert f"| `{kind}` | ${dollars:.2f} |" in PAGE.read_text()


def test_alarms_and_dashboard_cost_while_the_stack_is_stopped() -> None:
    """Seven metrics of alarms cost $0.70 a month, and a dashboard $3."""
    assert standing_month("api", alarms=True) == pytest.approx(0.70)
    assert standing_month("dns", alarms=True, dashboard=True) == pytest.approx(0.50 + 0.70 + 3)


@pytest.mark.parametrize(
    "price",
    [
        f"${DASHBOARD_MONTH:.0f} a month",
        f"${ALARM_METRICS * ALARM_METRIC_MONTH:.2f} a month",
        f"${LOG_METRIC_MONTH:.2f} a month",
        f"${LOGS_GB:.2f} a GB",
        f"${DATA_OUT_GB:.2f} a GB",
        f"first {DATA_OUT_FREE_GB} GB",
        f"${STORAGE_GIB_MONTH['ecr']:.2f} a GiB",
        f"${STORAGE_GIB_MONTH['s3']:.3f} a GiB",
        f"${STORAGE_GIB_MONTH['logs']:.2f} a GiB",
    ],
)
def test_prices_on_the_page_are_those_of_the_code(price: str) -> None:
    """Each price beside those of tasks is on the page about accounts."""
    assert price in " ".join(PAGE.read_text().split())


def test_the_number_of_metrics_is_that_of_the_alarms() -> None:
    """Terraform's alarms evaluate as many metrics as are priced: each service's memory and
    samples, and the errors.
    """
    text = (TERRAFORM / "modules" / "monitoring" / "alarms.tf").read_text()
    assert ["errors", "memory", "running"] == re.findall(
        r'^resource "aws_cloudwatch_metric_alarm" "(\w+)"', text, re.MULTILINE
    )
    assert ALARM_METRICS == 1 + 3 + 3


@pytest.mark.parametrize(
    ("kind", "costs"),
    [
        ("route53", "$0.017"),
        ("dashboard", "$0.100"),
        ("cloudwatch", "$0.0033 for each metric"),
        ("ssm", "nothing by itself"),
        ("s3", "for each GiB"),
        ("ecs", "running tasks"),
        ("", "nothing by itself"),
    ],
)
def test_what_a_leftover_costs_a_day(kind: str, costs: str) -> None:
    """Each kind of leftover has its price a day in words."""
    assert costs in resource_day(kind)
