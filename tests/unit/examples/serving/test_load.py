"""Arrivals, and the numbers of a load."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.serving.ask import body_of
from examples.serving.load import Sample, arrivals, percentile, summary_of, table_of


def test_arrivals_are_a_poisson_process() -> None:
    """The gaps have the mean and the spread of an exponential, and a seed repeats them."""
    times = arrivals(rate=50, count=20_000, seed=3)
    gaps = [after - before for before, after in zip([0.0, *times], times, strict=False)]
    mean = sum(gaps) / len(gaps)
    spread = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(1 / 50, rel=0.03)
    assert spread == pytest.approx(1 / 50, rel=0.05)
    assert times == sorted(times) == arrivals(rate=50, count=20_000, seed=3)


@pytest.mark.parametrize(
    ("values", "part", "expected"),
    [([], 0.5, 0), ([3], 0.99, 3), ([3, 1, 2], 0.5, 2), (list(range(100)), 0.99, 99)],
)
def test_percentiles(values: list[float], part: float, expected: float) -> None:
    """The value that the given part of the values does not exceed."""
    assert percentile(values, part) == expected


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50), st.floats(0, 1))
def test_a_percentile_is_one_of_the_values(values: list[float], part: float) -> None:
    """It is a measured time, not one between two."""
    assert percentile(values, part) in values


def test_the_numbers_of_a_load() -> None:
    """Only good answers count for latency and shares; refusals have a time of their own."""
    samples = [
        Sample(0.0, 0.010, 200, "a/0", b""),
        Sample(0.1, 0.030, 200, "a/0", b""),
        Sample(0.2, 0.020, 200, "b/0", b""),
        Sample(0.3, 9.000, 503, "router", b""),
        Sample(0.4, 0.500, 0, "", b""),
    ]
    found = summary_of(samples)
    assert (found.requests, found.good, found.failed) == (5, 3, 2)
    assert found.by_container == {"a/0": 2, "b/0": 1}
    assert (found.p50_ms, found.p99_ms, found.refused_ms) == (20.0, 30.0, 9000.0)
    assert found.seconds == 9.3
    lines = table_of(found).splitlines()
    assert lines[1] == "good       3   others: 1 x no answer, 1 x 503"
    assert lines[-1].split() == ["b/0", "1", "33.3", "%"]


def test_an_empty_load_has_numbers() -> None:
    """Nothing is divided by nothing."""
    assert "requests   0" in table_of(summary_of([]))


def test_a_body_fits_what_the_model_takes() -> None:
    """Random numbers of the model's shape, one row, of its datatypes."""
    metadata = {
        "inputs": [
            {"name": "x", "datatype": "FP32", "shape": [-1, 3]},
            {"name": "n", "datatype": "INT64", "shape": [-1]},
        ]
    }
    body = body_of(metadata, random.Random(1))
    pixels, whole = json.loads(body)["inputs"]
    assert (pixels["name"], pixels["shape"], len(pixels["data"])) == ("x", [1, 3], 3)
    assert (whole["name"], whole["shape"], len(whole["data"])) == ("n", [1], 1)
    assert all(isinstance(each, float) and 0 <= each <= 1 for each in pixels["data"])
    assert whole["data"][0] in (0, 1)
