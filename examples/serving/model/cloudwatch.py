"""A server's metrics as a line of its log from which CloudWatch makes metrics: the embedded metric
format, which needs no call of an API and no permission.

Pure. CloudWatch takes a hundred values of a metric from one line. Of more requests it gets a fair
sample, from which it computes percentiles over all containers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

NAMESPACE = "mapreduce-on-fargate/serving"
MOST_VALUES = 100
SERVER_ERROR = 500
METRICS = {
    "Requests": "Count",
    "Errors": "Count",
    "Refused": "Count",
    "Latency": "Milliseconds",
    "BatchRows": "Count",
}
"""Name and unit of each metric. Errors are answers from 500, Refused those of them that are 503."""


@dataclass(slots=True)
class Sample:
    """A fair sample of the values seen so far."""

    random: Random
    values: list[float] = field(default_factory=list)
    seen: int = 0

    def add(self, value: float) -> None:
        """Take a value into account."""
        self.seen += 1
        if len(self.values) < MOST_VALUES:
            self.values.append(value)
        elif (place := self.random.randrange(self.seen)) < MOST_VALUES:
            self.values[place] = value


class Period:
    """What happened since the last line.

    Args:
        stack, model, version: the dimensions of the metrics.
        random: chooses the samples.
    """

    def __init__(self, stack: str, model: str, version: str, random: Random) -> None:
        self._dimensions = {"Stack": stack, "Model": model, "Version": version}
        self._random = random
        self._begin()

    def _begin(self) -> None:
        self._requests = self._errors = self._refused = 0
        self._latency, self._rows = Sample(self._random), Sample(self._random)

    def request(self, status: int, took_s: float) -> None:
        """Count an answered request."""
        self._requests += 1
        self._errors += status >= SERVER_ERROR
        self._refused += status == 503
        self._latency.add(round(took_s * 1000, 3))

    def batch(self, rows: int) -> None:
        """Count a batch."""
        self._rows.add(rows)

    def end(self, now_s: float) -> dict[str, Any] | None:
        """Return the line of the period that ends now, and begin the next; None if nothing
        happened, since a metric without data costs nothing.
        """
        if not self._requests:
            return None
        values: dict[str, Any] = {
            "Requests": self._requests,
            "Errors": self._errors,
            "Refused": self._refused,
            "Latency": self._latency.values,
            "BatchRows": self._rows.values,
        }
        self._begin()
        values = {name: value for name, value in values.items() if value != []}
        about = {
            "Namespace": NAMESPACE,
            "Dimensions": [["Stack"], list(self._dimensions)],
            "Metrics": [{"Name": name, "Unit": METRICS[name]} for name in values],
        }
        return {
            "_aws": {"Timestamp": int(now_s * 1000), "CloudWatchMetrics": [about]},
            **self._dimensions,
            **values,
        }
