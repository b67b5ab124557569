"""The requests of a task, and when its stop may end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from examples.albums.traffic import Traffic
from services.shell.serve import State


class _World:
    """A task with a clock; its app answers with a status, or raises."""

    def __init__(self) -> None:
        self.now = 100.0
        self.state = State()
        self.traffic = Traffic(self.state, 5.0, lambda: self.now)
        self.seen: list[int] = []
        self.sent: list[Message] = []
        self.fails = False

    async def app(self, _: Scope, __: Receive, send: Send) -> None:
        """Answer after two seconds."""
        self.seen.append(self.traffic.busy())
        self.now += 2.0
        if self.fails:
            raise RuntimeError
        await send({"type": "http.response.start", "status": 404, "headers": []})

    def request(self, method: str = "GET", kind: str = "http") -> None:
        """Send one request."""

        async def send(message: Message) -> None:
            self.sent.append(message)

        receive: Any = None
        scope = {"type": kind, "method": method}

        async def run() -> None:
            await self.traffic.observe(self.app)(scope, receive, send)

        asyncio.run(run())

    def stop(self) -> None:
        """Send SIGTERM."""
        self.state.draining = True
        self.traffic.tick()


def test_a_request_is_in_progress_until_its_answer() -> None:
    """A request counts while the app works on it, also if the app fails."""
    world = _World()
    world.request()
    world.fails = True
    with suppress(RuntimeError):
        world.request()
    assert ([1, 1], 0) == (world.seen, world.traffic.busy())


def test_a_stopping_task_waits_for_clients_that_know_its_address() -> None:
    """A stop ends when the time has passed that clients may still come."""
    world = _World()
    world.traffic.tick()
    world.now += 10.0
    assert world.traffic.busy() == 0
    world.stop()
    world.now += 4.9
    world.traffic.tick()  # does not begin anew
    assert world.traffic.busy() == 1
    world.now += 0.1
    assert world.traffic.busy() == 0
    assert world.traffic.work.busy is not None
    assert world.traffic.work.busy() == 0


def test_a_stopping_task_closes_connections_after_their_answer() -> None:
    """From SIGTERM on, answers tell clients not to use the connection again."""
    world = _World()
    world.request()
    world.stop()
    world.request()
    before, after = world.sent
    assert before["headers"] == []
    assert after["headers"] == [(b"connection", b"close")]
    assert world.traffic.draining


def test_requests_are_counted_by_method_and_status() -> None:
    """Methods that clients invent have one label, and the seconds are observed."""
    world = _World()
    for method in ("GET", "GET", "BREW", "STEW"):
        world.request(method)
    text = world.traffic.metrics().decode()
    assert 'albums_requests_total{method="GET",status="404"} 2.0' in text
    assert 'albums_requests_total{method="other",status="404"} 2.0' in text
    assert "albums_request_seconds_sum 8.0" in text
    assert "albums_in_progress 0.0" in text


def test_what_is_no_request_is_not_counted() -> None:
    """The start and stop of the app pass through."""
    world = _World()
    world.request(kind="lifespan")
    assert world.seen == [0]
