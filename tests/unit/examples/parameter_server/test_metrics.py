"""Log lines that CloudWatch counts, and metrics."""

from __future__ import annotations

import math

from examples.parameter_server.metrics import TrainingMetrics, embedded


def test_a_line_is_in_the_embedded_metric_format() -> None:
    """The directive names namespace and metrics; the values stand beside it."""
    found = embedded({"Clock": 7, "Loss": 0.5}, 12.5)
    (directive,) = found["_aws"]["CloudWatchMetrics"]
    assert 12500 == found["_aws"]["Timestamp"]
    assert "ParameterServer" == directive["Namespace"]
    assert [{"Name": "Clock"}, {"Name": "Loss"}] == directive["Metrics"]
    assert (7, 0.5) == (found["Clock"], found["Loss"])


def test_a_stack_is_the_metrics_dimension() -> None:
    """Two stacks of an account do not mix their losses; a laptop has no stack."""
    found = embedded({"Clock": 7}, 1.0, "lab")
    (directive,) = found["_aws"]["CloudWatchMetrics"]
    assert ([["Stack"]], "lab") == (directive["Dimensions"], found["Stack"])
    (directive,) = embedded({"Clock": 7}, 1.0)["_aws"]["CloudWatchMetrics"]
    assert [[]] == directive["Dimensions"]


def test_what_is_no_number_is_left_out() -> None:
    """CloudWatch refuses a line with NaN whole."""
    assert "Loss" not in embedded({"Clock": 7, "Loss": math.nan}, 1.0)


def test_pushes_and_staleness_are_counted() -> None:
    """Refused pushes count by verdict; only applied ones have a staleness."""
    metrics = TrainingMetrics()
    metrics.watch(lambda: 7, lambda: 3)
    metrics.push("applied", 2)
    metrics.push("not finite", 9)
    metrics.wait(0.05)
    text = metrics.registry.text().decode()
    assert 'parameter_server_pushes_total{verdict="not finite"} 1.0' in text
    assert "parameter_server_staleness_sum 2.0" in text
    assert "parameter_server_clock 7.0" in text
    assert "parameter_server_workers 3.0" in text
    assert 'parameter_server_lease_wait_seconds_bucket{le="0.1"} 1.0' in text
