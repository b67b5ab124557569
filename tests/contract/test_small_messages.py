"""Neither side of a connection between driver and service holds a small message back.

TCP does that (Nagle's algorithm) unless TCP_NODELAY is set: each event of a task would wait 40 ms
for the acknowledgement of the one before.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from stat import S_ISSOCK

import pytest

from driver.transport.endpoint import Endpoint
from driver.transport.http import HttpTransport
from services.mapper.app import create_app
from services.shell.http.admission import Admission, Gate, Limits
from services.shell.http.encryption import server_context
from services.shell.serve import DrainingServer, State, Work, configured
from services.stage.settings import Settings
from services.stage.workers.fork_server import ForkServer
from services.stage.workers.pool import WorkerPool

KEY = "k" * 32
SLOTS = 2


def _own() -> socket.socket:
    """The listening socket of a service that is started by hand, or in a container."""
    return socket.create_server(("127.0.0.1", 0))


def _inherited() -> socket.socket:
    """The listening socket of a service of the local fleet: made from its descriptor."""
    return socket.socket(fileno=_own().detach())


@asynccontextmanager
async def _served(listening: socket.socket, *, tls: bool) -> AsyncIterator[None]:
    """Serve a mapper's app, with its own server and protocol, but without workers."""
    control, other = socket.socketpair()
    with control, other:
        pool = WorkerPool(ForkServer(control), SLOTS)
        settings = Settings(store="file:///nowhere", signing_key=KEY)
        admission = Admission(Limits.of(SLOTS, 1024))
        config = configured(create_app(settings, pool, State()), settings, admission)
        config.lifespan = "off"  # it starts the workers
        context = server_context(KEY, "mapper") if tls else None
        server = DrainingServer(config, State(), settings, Work(), context)
        serving = asyncio.create_task(server.serve(sockets=[Gate(listening, admission)]))
        try:
            yield
        finally:
            server.should_exit = True
            await serving


def _connected(port: int) -> list[tuple[str, int]]:
    """Each connected socket of this process with that port: its side, and its TCP_NODELAY."""
    found = []
    for number in [int(path.name) for path in Path("/dev/fd").iterdir()]:
        # without a peer it listens, or its other end is closed
        with suppress(OSError), _tcp(number) as each:
            ports = (each.getsockname()[1], each.getpeername()[1])
            if port in ports:
                side = "service" if port == ports[0] else "driver"
                found.append((side, each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
    return sorted(found)


def _tcp(file: int) -> socket.socket:
    if S_ISSOCK(os.fstat(file).st_mode):
        copied = socket.socket(fileno=os.dup(file))
        if copied.family == socket.AF_INET:
            return copied
        copied.close()
    raise OSError(f"descriptor {file} is no socket over TCP")


@pytest.mark.parametrize("listen", [_own, _inherited])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_small_messages_are_sent_at_once(listen: Callable[[], socket.socket], scheme: str) -> None:
    """By the service, however it got its listening socket, and by the driver; by TLS as well."""

    async def story() -> list[tuple[str, int]]:
        listening = listen()
        port = listening.getsockname()[1]
        endpoint = Endpoint("mapper-0", f"{scheme}://127.0.0.1:{port}", SLOTS, "mapper")
        served = _served(listening, tls=scheme == "https")
        async with served, HttpTransport(KEY, 30.0) as transport:
            assert SLOTS == (await transport.health(endpoint)).slots
            return _connected(port)

    assert [("driver", 1), ("service", 1)] == asyncio.run(story())
