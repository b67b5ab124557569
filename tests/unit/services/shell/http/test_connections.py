"""The time limits of one connection, with a fake transport and fake timers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from services.shell.http.admission import Admission, Limits, Standing
from services.shell.http.connections import SIGNED, SIGNED_PATIENCE, patient

PATIENCE_S = 10.0
HEAD = b"POST /map HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n"


class _Transport:
    """Records the written bytes, and how the connection ended."""

    def __init__(self, family: int = socket.AF_INET) -> None:
        self.written = b""
        self.unsent = 0
        self.ended = ""
        self.options: list[Any] = []
        self.socket = SimpleNamespace(
            family=family,
            fileno=lambda: 7,
            setsockopt=lambda *option: self.options.append(option),
            getsockname=lambda: ("127.0.0.1", 8080),
            getpeername=lambda: ("127.0.0.1", 1),
        )

    def get_extra_info(self, name: str) -> Any:
        """Return addresses, and the socket."""
        return {"socket": self.socket, "peername": ("10.0.0.1", 1), "sockname": ("x", 2)}.get(name)

    def set_write_buffer_limits(self, high: int) -> None:
        """Check that unsent bytes are reported; 0 would pause TLS for ever."""
        assert 1 == high

    def get_write_buffer_size(self) -> int:
        """Return the number of unsent bytes."""
        return self.unsent

    def write(self, data: bytes) -> None:
        """Record the bytes."""
        self.written += data

    def is_closing(self) -> bool:
        """Return whether it has ended."""
        return bool(self.ended)

    def close(self) -> None:
        """Record an orderly end."""
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        """Record an abort."""
        self.ended = self.ended or "aborted"

    def pause_reading(self) -> None:
        """Do nothing."""

    resume_reading = pause_reading


class _Timer:
    def __init__(self, delay_s: float, call: Callable[[], object]) -> None:
        self.delay_s = delay_s
        self.call = call
        self.is_cancelled = False

    def cancel(self) -> None:
        """Record that it is cancelled."""
        self.is_cancelled = True


class _World:
    """One connection with its protocol and timers."""

    def __init__(self, *, answers: bool = True, family: int = socket.AF_INET) -> None:
        self.timers: list[_Timer] = []
        self.introduced: list[Any] = []
        self.release = asyncio.Event()
        self.sign = False
        if answers:
            self.release.set()
        admission = Admission(Limits(total=4, each=3))
        admission.introduce = lambda *guest: self.introduced.append(guest)  # type: ignore[method-assign]
        config = uvicorn.Config(cast(Any, self.app), log_config=None, interface="asgi3")
        config.load()
        self.loop = asyncio.get_running_loop()
        self.protocol = patient(PATIENCE_S, admission)(
            config=config, server_state=ServerState(), app_state={}, _loop=self.loop
        )
        self.protocol.loop = cast(
            Any,
            SimpleNamespace(call_later=self.call_later, create_task=self.loop.create_task),
        )
        self.transport = _Transport(family)
        self.protocol.connection_made(cast(Any, self.transport))

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer when the test allows it."""
        scope["state"][SIGNED] = self.sign
        await self.release.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    def call_later(self, delay_s: float, call: Callable[..., object], *given: Any) -> _Timer:
        """Store the timer; the test runs it."""
        timer = _Timer(delay_s, lambda: call(*given))
        self.timers.append(timer)
        return timer

    def due(self, delay_s: float) -> _Timer | None:
        """Return the last running timer of this many seconds."""
        waiting = [
            timer for timer in self.timers if timer.delay_s == delay_s and not timer.is_cancelled
        ]
        return waiting[-1] if waiting else None

    async def said(self, data: bytes) -> None:
        """Receive bytes of the caller, and run a few turns of the loop."""
        if data:
            self.protocol.data_received(data)
        for _ in range(10):
            await asyncio.sleep(0)

    @property
    def standing(self) -> Standing:
        """Return the caller's standing."""
        standing: Standing = cast(Any, self.protocol).standing
        return standing


def _in_loop(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def test_a_silent_connection_is_closed() -> None:
    """A connection without bytes is closed at the timeout."""

    async def story() -> None:
        world = _World()
        timer = world.due(PATIENCE_S)
        assert timer is not None
        timer.call()
        assert "closed" == world.transport.ended

    _in_loop(story)


def test_bytes_that_are_no_request_yet_give_no_more_time() -> None:
    """Incomplete requests do not extend the timeout."""

    async def story() -> None:
        world = _World()
        timer = world.due(PATIENCE_S)
        for byte in HEAD[:20]:
            await world.said(bytes([byte]))
        assert timer is world.due(PATIENCE_S)

    _in_loop(story)


def test_while_a_request_is_served_no_time_runs() -> None:
    """No timeout runs during a request, and a new one starts after its answer."""

    async def story() -> None:
        world = _World(answers=False)
        first = world.due(PATIENCE_S)
        await world.said(HEAD + b"body")
        assert world.due(PATIENCE_S) is None
        assert first is not None
        first.call()
        assert "" == world.transport.ended
        world.release.set()
        await world.said(b"")
        assert b"200 OK" in world.transport.written
        assert world.due(PATIENCE_S) is not None

    _in_loop(story)


def test_a_caller_with_a_token_may_idle() -> None:
    """A caller with a valid token may idle, and a stranger may not."""

    async def story() -> None:
        for signed, standings in ((True, ["busy", "known"]), (False, ["stranger", "stranger"])):
            world = _World(answers=False)
            world.sign = signed
            seen: list[Standing] = []
            await world.said(HEAD + b"body")
            seen.append(world.standing)
            world.release.set()
            await world.said(b"")
            seen.append(world.standing)
            assert standings == seen
            assert signed == (world.due(PATIENCE_S) is None)

    _in_loop(story)


@pytest.mark.parametrize("signed", [False, True])
def test_an_answer_that_is_not_read_is_not_kept(*, signed: bool) -> None:
    """A connection whose answer is not read is aborted, later if the caller has shown a token."""

    async def story() -> None:
        world = _World(answers=False)
        world.sign = signed
        limit_s = PATIENCE_S * (SIGNED_PATIENCE if signed else 1)
        await world.said(HEAD + b"body")
        world.transport.unsent = 1 << 20
        world.protocol.pause_writing()
        timer = world.due(limit_s)
        assert timer is not None
        world.transport.unsent -= int(1024 * limit_s)  # as slow as may be
        timer.call()
        assert "" == world.transport.ended
        again = world.due(limit_s)
        assert again is not timer
        assert again is not None
        world.transport.unsent -= int(1024 * limit_s) - 1
        again.call()
        assert "aborted" == world.transport.ended
        world.protocol.connection_lost(None)
        world.release.set()
        await world.said(b"")

    _in_loop(story)


def test_an_answer_that_is_read_again_is_not_timed() -> None:
    """The timeout of an answer ends when it is read, or the connection is lost."""

    async def story() -> None:
        world = _World(answers=False)
        await world.said(HEAD + b"body")
        world.protocol.pause_writing()
        assert world.due(PATIENCE_S) is not None
        world.protocol.resume_writing()
        assert world.due(PATIENCE_S) is None
        world.protocol.pause_writing()
        world.protocol.connection_lost(None)
        assert world.due(PATIENCE_S) is None
        world.release.set()
        await asyncio.sleep(0)

    _in_loop(story)


def test_a_connection_is_introduced_and_may_be_dropped() -> None:
    """A connection is announced to the admission with its descriptor, so that it can be closed."""

    async def story() -> None:
        world = _World()
        assert [(7, world.protocol)] == world.introduced
        assert [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)] == world.transport.options
        cast(Any, world.protocol).drop()
        assert "aborted" == world.transport.ended
        assert [] == _World(family=socket.AF_UNIX).transport.options

    _in_loop(story)
