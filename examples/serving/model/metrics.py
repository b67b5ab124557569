"""The metrics of a model server: counts and durations, never a value of a request."""

from __future__ import annotations

from collections.abc import Callable

from examples.serving.model.cloudwatch import Period
from services.shell.metrics import Registry

BATCH_ROWS = tuple(float(1 << power) for power in range(11))
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, float("inf"))


class Metrics:
    """One server's metrics.

    Args:
        waiting: returns the number of requests in the queue.
        limit: returns the limit on the rows of a batch.
        is_loaded: returns whether the model is loaded.
        period: counts for CloudWatch too.
    """

    def __init__(
        self,
        waiting: Callable[[], float],
        limit: Callable[[], float],
        is_loaded: Callable[[], float],
        period: Period,
    ) -> None:
        self._period = period
        self._registry = Registry("model")
        self._requests = self._registry.counter(
            "requests", "Inference requests by answer", ["status"]
        )
        self._cancelled = self._registry.counter(
            "cancelled", "Requests whose caller left before they ran"
        )
        self._seconds = self._registry.histogram(
            "request_seconds", "Seconds from a request to its answer", SECONDS
        )
        self._rows = self._registry.histogram("batch_rows", "Rows of a batch", BATCH_ROWS)
        self._batch_seconds = self._registry.histogram(
            "batch_seconds", "Seconds a batch took", SECONDS
        )
        self._registry.gauge("waiting", "Requests in the queue", waiting)
        self._registry.gauge("batch_limit", "Most rows of the next batch", limit)
        self._registry.gauge("loaded", "Whether the model is loaded", is_loaded)

    def request(self, status: int, took_s: float) -> None:
        """Count an answered request."""
        self._requests.labels(str(status)).inc()
        self._seconds.observe(took_s)
        self._period.request(status, took_s)

    def batch(self, requests: int, rows: int, took_s: float) -> None:
        """Count a batch that has run."""
        self._rows.observe(rows)
        self._batch_seconds.observe(took_s)
        self._period.batch(rows)

    def cancelled(self) -> None:
        """Count a request whose caller left before it ran."""
        self._cancelled.inc()

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return self._registry.text()
