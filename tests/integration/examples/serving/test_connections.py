"""The router's HTTP connections, against servers that answer in every odd way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from examples.serving.router.connections import (
    Address,
    Answer,
    Connections,
    NotThere,
    Request,
    Unanswered,
)

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
REQUEST = Request("POST", b"/v2/models/a/infer?x=1", [(b"accept", b"*/*")], b"{}")
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Return the event loop of the tests."""
    return "asyncio"


@asynccontextmanager
async def _server(handler: Handler) -> AsyncIterator[Connections]:
    """Yield the connections to a server that handles each connection so."""
    tasks: set[asyncio.Task[None]] = set()

    async def handled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handled, "127.0.0.1", 0)
    connections = Connections(Address(*server.sockets[0].getsockname()[:2]), None, connect_s=2)
    try:
        yield connections
    finally:
        connections.abort()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(2)


def _answers(*answers: bytes, opened: list[int] | None = None) -> Handler:
    """Return a handler that gives these answers in turn on each connection, and closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if opened is not None:
            opened.append(1)
        for answer in answers:
            await _read(reader)
            writer.write(answer)
            await writer.drain()

    return handle


async def test_the_request_arrives_as_it_is() -> None:
    """Method, target, headers and body, with the length and the replica's own host."""
    received: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await _read(reader))
        writer.write(OK)
        await writer.drain()

    async with _server(handle) as connections:
        assert await connections.send(REQUEST) == Answer(200, [(b"content-length", b"2")], b"ok")
    first, *lines = received[0].split(b"\r\n")
    assert first == b"POST /v2/models/a/infer?x=1 HTTP/1.1"
    assert {b"accept: */*", b"content-length: 2"} < {line.lower() for line in lines}
    assert lines[-1] == b"{}"


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok"),
        (b"HTTP/1.0 400 Bad\r\ncontent-length: 2\r\n\r\nno", 400, b"no"),
    ],
)
async def test_every_form_of_an_answer(answer: bytes, status: int, body: bytes) -> None:
    """Lengths, chunks, an answer until the connection's end, and one before the answer."""
    async with _server(_answers(answer)) as connections:
        found = await connections.send(REQUEST)
    assert (found.status, found.body) == (status, body)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    ],
)
async def test_what_is_no_answer_is_none(answer: bytes) -> None:
    """A connection that ends early, or speaks something else, has not answered."""
    async with _server(_answers(answer)) as connections:
        with pytest.raises(Unanswered):
            await connections.send(REQUEST)


async def test_a_connection_is_kept() -> None:
    """Requests one after the other share a connection."""
    opened: list[int] = []
    async with _server(_answers(OK, OK, OK, opened=opened)) as connections:
        for _ in range(3):
            assert (await connections.send(REQUEST)).status == 200
    assert len(opened) == 1


async def test_a_kept_connection_that_was_closed_is_replaced() -> None:
    """The replica closed it between two requests; that is no failure of the second one."""
    opened: list[int] = []
    async with _server(_answers(OK, opened=opened)) as connections:
        for _ in range(3):
            assert (await connections.send(REQUEST)).status == 200
    assert len(opened) == 3


async def test_an_early_end_of_a_new_connection_is_not_tried_again() -> None:
    """Without an answer before, the end is the replica's, and the router decides."""
    opened: list[int] = []
    async with _server(_answers(b"", opened=opened)) as connections:
        with pytest.raises(Unanswered, match="broke the connection off"):
            await connections.send(REQUEST)
    assert len(opened) == 1


async def test_requests_in_flight_end_with_abort() -> None:
    """A replica that is lost fails its requests at once, those on kept connections too."""
    begun = asyncio.Event()
    opened: list[int] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(1)
        await _read(reader)
        writer.write(OK)
        await writer.drain()
        await _read(reader)
        begun.set()
        await asyncio.Event().wait()

    async with _server(handle) as connections:
        await connections.send(REQUEST)
        sending = asyncio.create_task(connections.send(REQUEST))
        await begun.wait()
        connections.abort()
        with pytest.raises(Unanswered):
            await sending
    assert len(opened) == 1


async def test_a_cancelled_request_closes_its_connection() -> None:
    """The replica sees the end, and the connection is not used again."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read(reader)
        begun.set()
        try:
            await reader.read()
        finally:
            ended.set()

    async with _server(handle) as connections:
        sending = asyncio.create_task(connections.send(REQUEST))
        await begun.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        async with asyncio.timeout(5):
            await ended.wait()


async def test_a_retired_replica_keeps_no_connection() -> None:
    """What is in flight is answered, and then the connection closes."""
    opened: list[int] = []
    async with _server(_answers(OK, OK, opened=opened)) as connections:
        await connections.send(REQUEST)
        connections.retire()
        await connections.send(REQUEST)
        await connections.send(REQUEST)
    assert len(opened) == 3


async def test_nothing_listens() -> None:
    """A refused connection is told from a broken one."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    address = Address(*server.sockets[0].getsockname()[:2])
    server.close()
    await server.wait_closed()
    with pytest.raises(NotThere, match=f"no connection to {address}"):
        await Connections(address, None, connect_s=2).send(REQUEST)


async def test_an_answer_over_the_limit_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica cannot fill the router's memory."""
    monkeypatch.setattr("examples.serving.router.connections.MOST_BYTES", 10)
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n" + b"x" * 11
    async with _server(_answers(answer)) as connections:
        with pytest.raises(Unanswered, match="longer than"):
            await connections.send(REQUEST)
