"""The requests of one task: how many are in progress, and their metrics; when a stop may end.

A task that is told to stop keeps answering for a while: its address is still known to clients. Its
answers close their connections.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.shell.metrics import Registry
from services.shell.serve import State, Work

BUCKETS_S = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, float("inf"))


class Traffic:
    """The requests of one task.

    Args:
        state: of the service; the server sets `draining` at SIGTERM.
        linger_s: for how long new requests are answered after that.
        clock: returns the time in seconds.
    """

    def __init__(
        self, state: State, linger_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._state = state
        self._linger_s = linger_s
        self._clock = clock
        self._stays_until: float | None = None
        self._in_progress = 0
        registry = Registry("albums")
        self._requests = registry.counter(
            "requests", "Requests by method and status", ["method", "status"]
        )
        self._seconds = registry.histogram("request_seconds", "Seconds to an answer", BUCKETS_S)
        registry.gauge("in_progress", "Requests in progress", lambda: self._in_progress)
        self.metrics = registry.text

    @property
    def draining(self) -> bool:
        """Whether the task has been told to stop."""
        return self._state.draining

    @property
    def work(self) -> Work:
        """What the server needs to know to end a drain."""
        return Work(busy=self.busy, each_tick=self.tick)

    def tick(self) -> None:
        """Notice the beginning of a stop; called several times a second."""
        if self._state.draining and self._stays_until is None:
            self._stays_until = self._clock() + self._linger_s

    def busy(self) -> int:
        """Return the requests in progress, and one more while the task waits for others."""
        lingers = self._stays_until is not None and self._clock() < self._stays_until
        return self._in_progress + lingers

    def observe(self, app: ASGIApp) -> ASGIApp:
        """Return the app with its requests counted; the server calls what it returns."""

        async def observed(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            began, status = self._clock(), 500

            async def sent(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    if self.draining:
                        MutableHeaders(scope=message)["connection"] = "close"
                await send(message)

            self._in_progress += 1
            try:
                await app(scope, receive, sent)
            finally:
                self._in_progress -= 1
                self._requests.labels(_method(scope["method"]), str(status)).inc()
                self._seconds.observe(self._clock() - began)

        return observed


def _method(name: str) -> str:
    """Return a method's label; clients invent names without end."""
    return name if name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS") else "other"
