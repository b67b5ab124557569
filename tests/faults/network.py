"""A faulty network: a proxy in front of each service, which injects a fault into some requests.

Each request has a separate connection to the service, which closes it after its answer.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from driver.transport.endpoint import Endpoint

Kind = Literal[
    "none",
    "garbage",
    "reset",
    "silence",
    "error",
    "full",
    "refused",
    "leaves",
    "lingers",
    "repeats",
    "trickle",
    "unauthorized",
    "look",
    "odd",
]
IN_THE_DRIVER = frozenset(("none", "look", "odd"))
"""The faults that no proxy makes."""
FULL = b'{"kind":"TaskLost","message":"every slot has a task"}'
LOSER = "a loser finished after its caller had gone"
GARBAGE = (
    b"\x16\x03\x01\x00\xa5\x01\x00 this is not HTTP at all\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 26\r\n\r\n<html>a captive "
    b"portal</html>"[:-3],
    b'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{"event":"done","result":{"stage":"map"}}\n',
    b'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{"event":"started","worker":1}\n{"event":"prog',
    b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n\xff\xfe\x00\x01\n\n\n",
    b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n",
)
_ANSWER_LIMIT_S = 30.0


class Trouble(BaseModel):
    """The faults of the proxies.

    Attributes:
        kind: the kind of fault.
        seed: chooses the requests.
        share: the share of the requests that get the fault.
        most: how often at most it is injected.
        from_request: how many requests are spared at first.
        seconds: its duration, if it has one.
        drain_s: the services' drain time after SIGTERM.
        log: the file of the injections.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind = "none"
    seed: int = 0
    share: float = 0.3
    most: int = 3
    from_request: int = 0
    seconds: float = 0.0
    drain_s: float = 0.0
    log: Path | None = None


SURE_WITHIN = 8
"""One of this many requests always gets the fault: a trial without one would show nothing."""


class Network:
    """All proxies of one run, and their common state."""

    def __init__(self, trouble: Trouble) -> None:
        self.trouble = trouble
        self._chance = random.Random(trouble.seed)
        self._requests = 0
        self._certain = trouble.from_request + 1 + self._chance.randrange(SURE_WITHIN)
        self._done = 0
        self._since: float | None = None
        self._proxies: list[Proxy] = []

    async def before(self, endpoint: Endpoint) -> Proxy:
        """Start a proxy in front of a service."""
        proxy = Proxy(self, endpoint)
        await proxy.listen()
        self._proxies.append(proxy)
        return proxy

    def fails(self) -> bool:
        """Return whether the driver's own operation fails now; one of the first few always does."""
        self._requests += 1
        if self._requests <= self.trouble.from_request:
            return False
        return self._requests == self._certain or self._chance.random() < self.trouble.share

    def strikes(self) -> bool:
        """Return whether the fault is injected into the current request."""
        self._requests += 1
        trouble = self.trouble
        if trouble.kind in IN_THE_DRIVER or self._requests <= trouble.from_request:
            return False
        if trouble.kind == "full":
            self._since = self._since or time.monotonic()
            return time.monotonic() < self._since + trouble.seconds
        if self._done >= trouble.most:
            return False
        if self._requests != self._certain and self._chance.random() >= trouble.share:
            return False
        self._done += 1
        return True

    def say(self, what: str) -> None:
        """Write an injection to the log."""
        if self.trouble.log is not None:
            with self.trouble.log.open("a") as log:
                log.write(what + "\n")

    async def all_refuse(self) -> None:
        """Refuse connections to all mappers for a while."""
        mappers = [proxy for proxy in self._proxies if proxy.name.startswith("mapper")]
        await asyncio.gather(*(proxy.refuse(self.trouble.seconds) for proxy in mappers))

    def any_like(self, one: Proxy) -> Proxy:
        """Return this proxy, or another one in front of a service of the same role."""
        role = one.name.partition("-")[0]
        return self._chance.choice(
            [proxy for proxy in self._proxies if proxy.name.startswith(role)]
        )

    def choice(self, options: tuple[bytes, ...]) -> bytes:
        """Return a random option."""
        return self._chance.choice(options)

    def below(self, most: int) -> int:
        """Return a random number from 0 to most - 1."""
        return self._chance.randrange(most)


class Proxy:
    """A proxy in front of one service."""

    def __init__(self, network: Network, behind: Endpoint) -> None:
        self._network = network
        self._behind = behind
        self._server: asyncio.Server | None = None
        self._port = 0
        self._lingering: set[asyncio.Task[None]] = set()
        self._open: set[asyncio.StreamWriter] = set()
        self._busy = 0
        self.gone = False
        self._refusing = False

    @property
    def name(self) -> str:
        """The service's name."""
        return self._behind.name

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint that the driver uses."""
        return Endpoint(self._behind.name, f"http://127.0.0.1:{self._port}", self._behind.slots)

    async def listen(self) -> None:
        """Start, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Close every connection, and wait for requests that still run."""
        if self._server is not None:
            self._server.close()
        await asyncio.wait(
            [*self._lingering, asyncio.create_task(asyncio.sleep(0))], timeout=_ANSWER_LIMIT_S
        )
        for writer in list(self._open):
            writer.close()

    async def refuse(self, seconds: float) -> None:
        """Close the port and all connections, and open the port again later."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            _reset(writer)
        await asyncio.sleep(seconds)
        await self.listen()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError, OSError):
            request = await _request(reader)
            acts = (
                request.startswith(b"POST")
                and b"POST /split" not in request[:12]
                and self._network.strikes()
            )
            act = (
                self._acts()[self._network.trouble.kind]
                if acts or self._refusing
                else self._forward
            )
            self._busy += 1
            try:
                await act(request, reader, writer)
            finally:
                self._busy -= 1
        self._open.discard(writer)
        with suppress(ConnectionError, OSError):
            writer.close()

    def _acts(
        self,
    ) -> dict[Kind, Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]]:
        return {
            "garbage": self._garbage,
            "reset": self._reset_midway,
            "silence": self._silence,
            "error": self._error,
            "full": self._full,
            "refused": self._refused,
            "leaves": self._leaves,
            "lingers": self._lingers,
            "repeats": self._repeats,
            "trickle": self._trickle,
            "unauthorized": self._unauthorized,
        }

    async def _forward(
        self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Forward the request; if the caller disconnects, cancel the request to the service."""
        async with self._asked(request) as (answer, _):
            gone = asyncio.create_task(reader.read(1))
            try:
                while True:
                    block = asyncio.create_task(answer.read(1 << 16))
                    await asyncio.wait({block, gone}, return_when=asyncio.FIRST_COMPLETED)
                    if not block.done() or not block.result():
                        block.cancel()
                        return
                    writer.write(block.result())
                    await writer.drain()
            finally:
                gone.cancel()

    async def _garbage(
        self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._network.say("garbage instead of an answer")
        writer.write(self._network.choice(GARBAGE))
        await writer.drain()

    async def _reset_midway(
        self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Forward some of the answer, then reset the connection."""
        async with self._asked(request) as (answer, _):
            left = self._network.below(700)
            while left > 0 and (block := await answer.read(left)):
                left -= len(block)
                writer.write(block)
                await writer.drain()
        self._network.say("connection reset")
        _reset(writer)

    async def _silence(
        self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Forward the beginning, then nothing in either direction; keep the connection open."""
        async with self._asked(request) as (answer, _):
            writer.write(await answer.read(self._network.below(300) + 1))
            await writer.drain()
            self._network.say("half-open connection")
            await reader.read()

    async def _trickle(
        self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer byte by byte without ever ending an event, until the caller disconnects."""
        self._network.say("an answer that trickles")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
        gone = asyncio.create_task(reader.read(1))
        while not gone.done():
            writer.write(b" ")
            await writer.drain()
            await asyncio.wait({gone}, timeout=0.2)

    async def _unauthorized(
        self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Refuse every signature from now on, like a container with an old key."""
        if not self.name.startswith("mapper"):
            await self._forward(request, reader, writer)
            return
        if not self._refusing:
            self._network.say("one service refuses our signature")
        self._refusing = True
        body = b'{"kind":"Unauthorized","message":"unauthorized"}'
        head = (
            b"HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
            % len(body)
        )
        writer.write(head + body)
        await writer.drain()

    async def _error(
        self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._network.say("a 500")
        writer.write(
            b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\nconnection: "
            b"close\r\n\r\noops"
        )
        await writer.drain()

    async def _full(
        self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._network.say("a 503")
        head = (
            b"HTTP/1.1 503 Busy\r\nretry-after: 0.3\r\nconnection: close\r\ncontent-length: "
            b"%d\r\n\r\n" % len(FULL)
        )
        writer.write(head + FULL)
        await writer.drain()

    async def _refused(
        self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._network.say("all mappers refuse connections")
        await self._network.all_refuse()

    async def _leaves(
        self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Scale in the service while it has a task: remove its endpoint and cut its connections."""
        if not self.name.startswith("mapper"):
            await self._forward(request, reader, writer)
            return
        async with self._asked(request):
            self.gone = True
            self._network.say("scaled in")
            assert self._server is not None
            self._server.close()
            _reset(writer)

    async def _lingers(
        self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Continue the task after the driver has disconnected; its answer arrives late or never."""
        done = asyncio.create_task(self.carried_out(request, LOSER))
        self._lingering.add(done)
        await reader.read(1)

    async def _repeats(
        self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Send the same message again after its answer: to this service, or to one that has not
        seen its token.
        """
        await self._forward(request, reader, writer)
        again = self._network.any_like(self)
        self._lingering.add(
            asyncio.create_task(again.carried_out(request, "message delivered again"))
        )

    async def carried_out(self, request: bytes, what: str) -> None:
        """Send a duplicate request when the service is free, and log the start of the answer."""
        async with asyncio.timeout(_ANSWER_LIMIT_S):
            while self._busy > (what == LOSER):
                await asyncio.sleep(0.002)
        async with self._asked(request) as (answer, _):
            content = await answer.read()
        self._network.say(f"{what}: {content[:12].decode(errors='replace')}")

    @asynccontextmanager
    async def _asked(
        self, request: bytes
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        port = int(self._behind.url.rpartition(":")[2])
        answer, asking = await asyncio.open_connection("127.0.0.1", port)
        try:
            asking.write(request)
            await asking.drain()
            yield answer, asking
        finally:
            asking.close()


async def _request(reader: asyncio.StreamReader) -> bytes:
    """Return one whole request, with `Connection: close`."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = [
        line for line in head.split(b"\r\n") if line and not line.lower().startswith(b"connection:")
    ]
    size = next(
        (int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")),
        0,
    )
    return b"\r\n".join([*lines, b"connection: close", b"", b""]) + await reader.readexactly(size)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close the connection with RST instead of FIN."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
