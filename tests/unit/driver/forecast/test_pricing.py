"""What a stack costs that does nothing, against AWS's price lists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from driver.forecast.pricing import resource_day, standing_month

PAGE = Path(__file__).resolve().parents[4] / "docs" / "how-to" / "aws.md"


def test_a_stopped_stack_costs_its_secret_and_its_zone() -> None:
    """A stopped stack costs $0.40 for the secret and $0.50 for the private hosted zone, and the
    page about AWS says both.
    """
    assert standing_month() == pytest.approx(0.40 + 0.50)
    text = " ".join(PAGE.read_text().split())
    remains = text[text.index("After `make stop` these remain") :]
    said = [float(price) for price in re.findall(r"\(\$([\d.]+)", remains)[:2]]
    assert sum(said) == pytest.approx(standing_month())


@pytest.mark.parametrize(
    ("kind", "costs"),
    [
        ("route53", "$0.017"),
        ("secretsmanager", "$0.013"),
        ("s3", "for each GiB"),
        ("ecs", "running tasks"),
        ("", "nothing by itself"),
    ],
)
def test_what_a_leftover_costs_a_day(kind: str, costs: str) -> None:
    """Each kind of leftover has its price a day in words."""
    assert costs in resource_day(kind)
