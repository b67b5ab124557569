"""Metrics as a line of the log, in CloudWatch's embedded format."""

from __future__ import annotations

import json
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from examples.serving.model.cloudwatch import MOST_VALUES, Period, Sample


def _period() -> Period:
    return Period("serving", "digits", "1", Random(7))


def test_nothing_happened() -> None:
    """A period without a request has no line, because a metric without data costs nothing."""
    assert _period().end(0) is None


def test_the_line_names_its_metrics() -> None:
    """Each metric that the line declares is in it, with a unit, and so is each dimension."""
    period = _period()
    period.request(200, 0.0015)
    period.request(503, 0.002)
    period.request(500, 0.003)
    period.batch(2)
    line = period.end(1.5)
    assert line is not None
    about = line["_aws"]["CloudWatchMetrics"][0]
    assert 1500 == line["_aws"]["Timestamp"]
    assert all(metric["Name"] in line and metric["Unit"] for metric in about["Metrics"])
    assert all(name in line for names in about["Dimensions"] for name in names)
    assert (3, 2, 1) == (line["Requests"], line["Errors"], line["Refused"])
    assert ([1.5, 2.0, 3.0], [2]) == (line["Latency"], line["BatchRows"])
    assert json.loads(json.dumps(line)) == line
    assert period.end(2) is None


def test_a_metric_without_values_is_left_out() -> None:
    """Refused requests make no batch, and an empty list is no value for CloudWatch."""
    period = _period()
    period.request(503, 0.001)
    line = period.end(1)
    assert line is not None
    assert "BatchRows" not in line
    assert "BatchRows" not in str(line["_aws"])


@given(st.integers(0, 500))
def test_a_sample_is_bounded_and_of_what_was_seen(count: int) -> None:
    """It has all values while they are few, and a hundred different ones after that."""
    sample = Sample(Random(count))
    for number in range(count):
        sample.add(number)
    assert min(count, MOST_VALUES) == len(set(sample.values))
    assert set(sample.values) <= set(range(count))


def test_a_sample_is_fair() -> None:
    """Early and late values are as likely: the mean of a thousand samples is the mean of all."""
    random, means = Random(7), []
    for _ in range(1000):
        sample = Sample(random)
        for number in range(1000):
            sample.add(number)
        means.append(sum(sample.values) / len(sample.values))
    assert abs(sum(means) / len(means) - 499.5) < 5
