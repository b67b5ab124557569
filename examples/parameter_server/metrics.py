"""What training tells about itself: metrics for Prometheus, and log lines that CloudWatch counts.

A line has CloudWatch's embedded metric format: from the log, CloudWatch makes the metrics Clock,
Loss, Staleness and Workers in the namespace ParameterServer, with the stack as their dimension.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Final

import structlog

from services.shell.metrics import Registry

NAMESPACE: Final = "ParameterServer"
EVERY_S: Final = 1.0
"""Between two lines: CloudWatch keeps one value a minute and a metric, or one a second."""
_METRICS: Final = ("Clock", "Loss", "Staleness", "Workers", "ClocksPerSecond")
log = structlog.get_logger()


def embedded(values: dict[str, float], now_s: float, stack: str = "") -> dict[str, Any]:
    """Return the fields of a log line that is metrics.

    Args:
        values: by metric's name; those that are no number are left out.
        now_s: seconds since the epoch.
        stack: the metrics' dimension, so that two stacks do not mix; empty on a laptop.
    """
    finite = {name: value for name, value in values.items() if math.isfinite(value)}
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Stack"] if stack else []],
        "Metrics": [{"Name": name} for name in _METRICS if name in finite],
    }
    return {
        "_aws": {"Timestamp": int(now_s * 1000), "CloudWatchMetrics": [directive]},
        **({"Stack": stack} if stack else {}),
        **finite,
    }


class TrainingMetrics:
    """The metrics of one server.

    Args:
        stack: name of the stack; empty on a laptop.
    """

    def __init__(self, stack: str = "") -> None:
        self._stack = stack
        self.registry = Registry("parameter_server")
        self._pushes = self.registry.counter("pushes", "Gradients by verdict", ["verdict"])
        self._staleness = self.registry.histogram(
            "staleness", "Clocks that a gradient's parameters lacked", (0, 1, 2, 3, 5, 10, 30, 100)
        )
        self._waits = self.registry.histogram(
            "lease_wait_seconds", "How long a worker waited for a lease", (0.001, 0.01, 0.1, 1, 10)
        )
        self._told_at_s = 0.0
        self._told_clock = 0
        self._most_stale = 0

    def watch(self, version: Callable[[], float], workers: Callable[[], float]) -> None:
        """Add gauges of the applied clocks and of the workers."""
        self.registry.gauge("clock", "Clocks that are applied", version)
        self.registry.gauge("workers", "Workers heard of lately", workers)

    def push(self, verdict: str, staleness: int) -> None:
        """Count a gradient."""
        self._pushes.labels(verdict).inc()
        if verdict == "applied":
            self._staleness.observe(max(0, staleness))
            self._most_stale = max(self._most_stale, staleness)

    def wait(self, seconds: float) -> None:
        """Count a wait for a lease."""
        self._waits.observe(seconds)

    def clock(self, clock: int, loss: float | None, workers: int, *, last: bool) -> None:
        """Log where training is, once a second at most.

        Args:
            clock: clocks that are applied.
            loss: mean of the last of them.
            workers: those heard of lately.
            last: whether the run is done: then the line is not left out.
        """
        now_s = time.time()
        since_s = now_s - self._told_at_s
        if since_s < EVERY_S and not last:
            return
        values: dict[str, float] = {
            "Clock": clock,
            "Staleness": self._most_stale,
            "Workers": workers,
        }
        if loss is not None:
            values["Loss"] = loss
        if self._told_at_s and clock >= self._told_clock:
            values["ClocksPerSecond"] = (clock - self._told_clock) / since_s
        log.info("clock", **embedded(values, now_s, self._stack))
        self._told_at_s, self._told_clock, self._most_stale = now_s, clock, 0
