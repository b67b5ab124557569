"""Metrics for Prometheus: counts and durations of one service, in a registry of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4"


class Registry:
    """The metrics of one service.

    Args:
        prefix: begins each metric's name: `mapreduce` gives `mapreduce_requests`.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._registry = CollectorRegistry()

    def counter(self, name: str, description: str, labels: Sequence[str] = ()) -> Counter:
        """Return a new counter."""
        return Counter(self._named(name), description, labels, registry=self._registry)

    def histogram(self, name: str, description: str, buckets: Sequence[float]) -> Histogram:
        """Return a new histogram with these upper ends, in the metric's unit."""
        return Histogram(
            self._named(name), description, registry=self._registry, buckets=tuple(buckets)
        )

    def gauge(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Add a gauge that is read when the metrics are."""
        Gauge(self._named(name), description, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def _named(self, name: str) -> str:
        return f"{self._prefix}_{name}"
