"""Numbers as a page shows them."""

from __future__ import annotations

import pytest

from driver.forecast.receipt import Range
from driver.report.words import (
    count_text,
    quantity_text,
    range_text,
    seconds_text,
    tick_text,
    time_text,
    usd_text,
)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 ms"),
        (0.0123, "12 ms"),
        (0.0996, "0.10 s"),
        (4.214, "4.21 s"),
        (9.996, "10.0 s"),
        (99.94, "99.9 s"),
        (99.96, "1:40"),
        (3599.6, "1:00:00"),
        (7205, "2:00:05"),
    ],
)
def test_durations_have_about_three_digits(seconds: float, expected: str) -> None:
    """Each length has the form that people say, also at the edges."""
    assert expected == seconds_text(seconds)


@pytest.mark.parametrize(
    ("usd", "expected"),
    [(0, "$0"), (0.0000054, "$0.000005"), (0.0314, "$0.0314"), (1234.5, "$1,234.50")],
)
def test_dollars_have_the_digits_that_matter(usd: float, expected: str) -> None:
    """Requests cost millionths, fleets dollars."""
    assert expected == usd_text(usd)


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (1.5, "s", "1.50 s"),
        (2048, "bytes", "2.0 KiB"),
        (2048, "bytes/s", "2.0 KiB/s"),
        (0.5, "usd", "$0.5000"),
        (1200, "vcpu_s", "1,200.0 vCPU-s"),
        (2.25, "gib_s", "2.2 GiB-s"),
        (12345, "tasks", "12,345"),
        (2.5, "score", "2.50"),
    ],
)
def test_a_quantity_is_shown_in_its_unit(value: float, unit: str, expected: str) -> None:
    """Units of receipts and of metrics."""
    assert expected == quantity_text(value, unit)


def test_a_range_of_one_value_is_that_value() -> None:
    """A known number of tasks is not a range."""
    assert "19" == range_text(Range(low=19, high=19), "tasks")
    assert "1.00 s to 2.00 s" == range_text(Range(low=1, high=2), "s")


def test_times_on_an_axis() -> None:
    """Seconds below a minute, then clock times."""
    assert ["0", "0.2 s", "30 s", "2:30"] == [tick_text(at) for at in (0, 0.2, 30, 150)]


def test_a_time_outside_of_the_calendar_is_empty() -> None:
    """A record may hold any number."""
    assert time_text(1e300) == ""
    assert "1970-01-01 00:00:00 UTC" == time_text(0)


def test_counts_have_groups() -> None:
    """Whole numbers without a point."""
    assert ["1,234,567", "1.50"] == [count_text(1_234_567), count_text(1.5)]
