"""The metrics of a stage's service: counts and durations, never a key, a record or a URL."""

from __future__ import annotations

from services.shell.metrics import Registry
from services.stage.workers.pool import WorkerPool

BUCKETS_S = (0.05, 0.25, 1, 5, 15, 60, 300, 1800, float("inf"))


class Metrics:
    """One service's metrics."""

    def __init__(self, pool: WorkerPool) -> None:
        self._registry = Registry("mapreduce")
        self.requests = self._registry.counter("requests", "Task requests by answer", ["status"])
        self.tasks = self._registry.counter("tasks", "Tasks by outcome", ["outcome"])
        self.seconds = self._registry.histogram("task_seconds", "Seconds a task took", BUCKETS_S)
        self._registry.gauge("slots", "Tasks at the same time", lambda: pool.able)
        self._registry.gauge("busy_slots", "Tasks running now", lambda: pool.busy)

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return self._registry.text()
