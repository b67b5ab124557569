"""HTTP/1.1 to one replica: connections that are kept, an answer that is read whole.

On h11, which the server uses too. httpx took four times the processor time of a request (measured:
1.2 ms against 0.3 ms), and this is what the router spends most of its time on.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import h11

from examples.serving.router.decisions.readiness import was_silent

Headers = Sequence[tuple[bytes, bytes]]
READ_BYTES = 64 << 10
MOST_BYTES = 64 << 20
"""The longest answer."""
IDLE_S = 30.0
"""An idle connection is used again within this time: less than the replicas keep theirs."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a replica listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Request:
    """A request, whole.

    Attributes:
        method: GET, POST, ...
        target: path and query, as the caller wrote them.
        headers: without `host`, `content-length` and those of one connection.
        body: the body.
    """

    method: str
    target: bytes
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, whole: status, headers with lower-case names, body."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        """Return a header's value; None if there is none."""
        for found, value in self.headers:
            if found == name.encode():
                return value.decode("latin-1")
        return None


class Unanswered(Exception):
    """A replica gave no whole answer; the message says why."""


class Unreached(Unanswered):
    """There is no connection, so nothing of the request was sent."""


class NotThere(Unreached):
    """Nothing listens at the address."""


@dataclass(frozen=True, slots=True)
class Trust:
    """How a replica proves who it is: TLS by a certificate with this name."""

    context: ssl.SSLContext
    name: str


class Connections:
    """The connections to one replica.

    Args:
        address: the replica's.
        trust: how it proves who it is; None for plain HTTP.
        connect_s: how long a connection may take.
    """

    def __init__(self, address: Address, trust: Trust | None, connect_s: float) -> None:
        self._address = address
        self._trust = trust
        self._connect_s = connect_s
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()
        self._retired = False

    async def send(self, request: Request) -> Answer:
        """Return the answer to a request; cancelling closes the connection.

        Raises:
            NotThere: nothing listens.
            Unreached: no connection in time.
            Unanswered: the connection failed, or what came is no answer.
        """
        connection = self._kept()
        if connection is not None:
            with suppress(_Stale):
                return await self._over(connection, request)
        return await self._over(await self._connected(), request)

    def abort(self) -> None:
        """Close every connection; requests in flight fail with `Unanswered`."""
        for connection in [*self._idle, *self._busy]:
            connection.close()
        self._idle.clear()

    def retire(self) -> None:
        """Close each connection as soon as it has no request in flight."""
        self._retired = True
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _kept(self) -> _Connection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open() and now - connection.used_at < IDLE_S:
                return connection
            connection.close()
        return None

    async def _connected(self) -> _Connection:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                async with asyncio.timeout(self._connect_s):
                    return await self._opened()
            except TimeoutError:
                # else this process was late, and the connection may be there by now
                if was_silent(loop.time() - began, self._connect_s):
                    raise Unreached(
                        f"no connection to {self._address} in {self._connect_s:g} s"
                    ) from None

    async def _opened(self) -> _Connection:
        host, port, trust = self._address.host, self._address.port, self._trust
        try:
            reader, writer = await asyncio.open_connection(
                host,
                port,
                ssl=trust.context if trust else None,
                server_hostname=trust.name if trust else None,
            )
        except TimeoutError:  # an `OSError` too: the limit of the caller, or the system's own
            raise
        except ssl.SSLError as exc:
            raise Unanswered(
                f"{self._address} does not prove that it belongs to this stack: {exc.reason}; "
                "does it have another signing key?"
            ) from exc
        except OSError as exc:
            raise NotThere(f"no connection to {self._address}: {exc.strerror or exc}") from exc
        return _Connection(reader, writer, str(self._address))

    async def _over(self, connection: _Connection, request: Request) -> Answer:
        self._busy.add(connection)
        try:
            answer = await connection.exchange(request)
        except BaseException:
            connection.close()
            raise
        finally:
            self._busy.discard(connection)
        if not self._retired and connection.can_be_kept():
            connection.used_at = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.close()
        return answer


class _Stale(Unanswered):
    """A kept connection ended without a byte of an answer: the replica had closed it meanwhile."""


class _Connection:
    """One connection, with one request on it at a time."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._address = address
        self._protocol = h11.Connection(h11.CLIENT)
        self._answers = 0
        self._closed = False
        self.used_at = 0.0

    def is_open(self) -> bool:
        """Return whether the other side has not closed it."""
        return not self._reader.at_eof() and not self._writer.is_closing()

    def can_be_kept(self) -> bool:
        """Return whether another request may follow, and make it ready for one."""
        if self._protocol.our_state is not h11.DONE or self._protocol.their_state is not h11.DONE:
            return False
        self._protocol.start_next_cycle()
        return True

    def close(self) -> None:
        """Close it at once."""
        self._closed = True
        self._writer.transport.abort()

    async def exchange(self, request: Request) -> Answer:
        """Send a request and return its answer.

        Raises:
            Unanswered: the connection ended, or what came is no answer.
        """
        heard = False
        try:
            self._writer.write(self._written(request))
            await self._writer.drain()
            answer = _Reading()
            while not answer.is_whole:
                event = self._protocol.next_event()
                if event is h11.NEED_DATA:
                    data = await self._reader.read(READ_BYTES)
                    heard = heard or bool(data)
                    self._protocol.receive_data(data)
                else:
                    answer.take(event)
        except (OSError, h11.RemoteProtocolError) as exc:
            is_stale = self._answers and not heard and not self._closed
            kind = _Stale if is_stale else Unanswered
            raise kind(f"{self._address} broke the connection off: {exc}") from exc
        self._answers += 1
        return Answer(answer.status, answer.headers, bytes(answer.body))

    def _written(self, request: Request) -> bytes:
        headers = [
            (b"host", self._address.encode()),
            *request.headers,
            (b"content-length", str(len(request.body)).encode()),
        ]
        head = h11.Request(method=request.method, target=request.target, headers=headers)
        parts = [self._protocol.send(head)]
        if request.body:
            parts.append(self._protocol.send(h11.Data(data=request.body)))
        parts.append(self._protocol.send(h11.EndOfMessage()))
        return b"".join(part for part in parts if part)


class _Reading:
    """An answer while it is read."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Headers = ()
        self.body = bytearray()
        self.is_whole = False

    def take(self, event: object) -> None:
        """Add what came.

        Raises:
            Unanswered: it is too long, or ended early.
        """
        if isinstance(event, h11.Response):
            self.status, self.headers = event.status_code, list(event.headers)
        elif isinstance(event, h11.Data):
            self.body += event.data
            if len(self.body) > MOST_BYTES:
                raise Unanswered(f"the answer is longer than {MOST_BYTES >> 20} MiB")
        elif isinstance(event, h11.EndOfMessage):
            self.is_whole = True
        elif isinstance(event, h11.ConnectionClosed):
            raise h11.RemoteProtocolError("it closed the connection")
        elif event is h11.PAUSED:
            raise h11.RemoteProtocolError("it sent more than an answer")
