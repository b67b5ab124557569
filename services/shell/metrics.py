"""Metrics for Prometheus: counts and durations, never a key, a record or a URL."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from services.shell.workers.pool import WorkerPool


class Metrics:
    """One service's metrics, in their own registry."""

    def __init__(self, pool: WorkerPool) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "mapreduce_requests", "Task requests by answer", ["status"], registry=self._registry
        )
        self.tasks = Counter(
            "mapreduce_tasks", "Tasks by outcome", ["outcome"], registry=self._registry
        )
        self.seconds = Histogram(
            "mapreduce_task_seconds",
            "Seconds a task took",
            registry=self._registry,
            buckets=(0.05, 0.25, 1, 5, 15, 60, 300, 1800, float("inf")),
        )
        Gauge("mapreduce_slots", "Tasks at the same time", registry=self._registry).set_function(
            lambda: pool.able
        )
        Gauge("mapreduce_busy_slots", "Tasks running now", registry=self._registry).set_function(
            lambda: pool.busy
        )

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)
