"""The router's metrics: counts and times, never a request's content."""

from __future__ import annotations

from services.shell.metrics import Registry

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, float("inf"))


class Metrics:
    """The metrics of one router."""

    def __init__(self) -> None:
        self.registry = Registry("router")
        self.requests = self.registry.counter("requests", "Requests by answer", ["status"])
        self.attempts = self.registry.counter(
            "attempts", "Attempts by group and outcome", ["group", "outcome"]
        )
        self.retries = self.registry.counter("retries", "Second attempts")
        self.retries_denied = self.registry.counter(
            "retries_denied", "Second attempts that the budget did not allow"
        )
        self.refusals = self.registry.counter("refusals", "Requests refused for want of a place")
        self.ejections = self.registry.counter("ejections", "Replicas ejected for a while")
        self.copies = self.registry.counter(
            "copies", "Copies to the shadow by outcome", ["outcome"]
        )
        self.hung_up = self.registry.counter("hung_up", "Callers that did not wait for the answer")
        self.lookups_failed = self.registry.counter("lookups_failed", "Look-ups that failed")
        self.seconds = self.registry.histogram(
            "request_seconds", "Seconds from a whole request to its whole answer", SECONDS
        )
