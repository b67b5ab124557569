"""The metrics of a service, in a registry of its own."""

from __future__ import annotations

from services.shell.metrics import Registry


def test_each_service_has_its_own_metrics() -> None:
    """Two services in one process count apart, under their own names."""
    albums, other = Registry("albums"), Registry("other")
    albums.counter("requests", "Requests", ["status"]).labels("200").inc(2)
    other.counter("requests", "Requests").inc()
    text = albums.text().decode()
    assert 'albums_requests_total{status="200"} 2.0' in text
    assert "other" not in text


def test_a_gauge_is_read_with_the_text() -> None:
    """A gauge shows the value at the time of the question."""
    values = [1.0, 5.0]
    registry = Registry("albums")
    registry.gauge("busy", "Now", lambda: values[-1])
    assert b"albums_busy 5.0" in registry.text()
    values.append(7.0)
    assert b"albums_busy 7.0" in registry.text()


def test_a_histogram_has_its_buckets() -> None:
    """A value is counted in each bucket whose end it does not pass."""
    registry = Registry("albums")
    seconds = registry.histogram("seconds", "Seconds", (0.1, 1.0, float("inf")))
    seconds.observe(0.5)
    lines = registry.text().decode().splitlines()
    counts = [float(line.split()[-1]) for line in lines if "_bucket" in line]
    assert [0.0, 1.0, 1.0] == counts
