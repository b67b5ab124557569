"""Tasks over HTTP: every network failure is a lost task, and nothing else is."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import aclosing, closing, contextmanager, suppress
from email.utils import formatdate

import pytest

from driver.transport.base import NoSlot, NotReached
from driver.transport.endpoint import Endpoint
from driver.transport.http import HttpTransport
from mapreduce.errors import FleetError, TaskLost
from mapreduce.wire.build import Build, this_build
from mapreduce.wire.messages import AttemptId, Done, Failed, Health, MapTask, Started
from tests.unit.driver.fakes import map_specs, result_of

STARTED = (
    Started(
        attempt=AttemptId(run="run-1", stage="map", index=0, attempt="0"),
        worker=7,
        build=this_build(),
    )
    .model_dump_json()
    .encode()
    + b"\n"
)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/jsonl\r\nconnection: close\r\n\r\n"


@contextmanager
def _server(answer: bytes | None) -> Iterator[Endpoint]:
    """Run a server that sends these bytes to each request and closes; with None it is silent."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                _read_request(connection)
                if answer is None:
                    connection.recv(1)
                else:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Endpoint("mapper-0", f"http://127.0.0.1:{listening.getsockname()[1]}", 1)
        thread.join(timeout=5)


def _read_request(connection: socket.socket) -> None:
    """Read a whole request: a server that closes before that resets the connection, and its answer
    is lost.
    """
    with connection.makefile("rb") as file:
        head = dict(
            line.lower().split(b":", 1) for line in iter(file.readline, b"\r\n") if b":" in line
        )
        file.read(int(head.get(b"content-length", b"0")))


def _ask(endpoint: Endpoint, timeout_s: float = 5.0) -> list[object]:
    task = map_specs([1])[0].message("0")
    assert isinstance(task, MapTask)

    async def ask() -> list[object]:
        async with HttpTransport("k" * 32, timeout_s) as transport:
            return [event async for event in transport.run(endpoint, task)]

    return asyncio.run(ask())


def _task() -> MapTask:
    task = map_specs([1])[0].message("0")
    assert isinstance(task, MapTask)
    return task


def _done() -> Done:
    return Done(attempt=AttemptId.of(_task()), result=result_of(_task()), build=this_build())


def test_events_come_as_they_were_sent() -> None:
    """Two events arrive as they were sent."""
    done = _done()
    with _server(HEAD + STARTED + done.model_dump_json().encode() + b"\n") as endpoint:
        events = _ask(endpoint)
    assert events[1] == done


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\xff garbage",
        HEAD,
        HEAD + STARTED,
        HEAD + b"<html>hello</html>\n",
        HEAD + b'{"event":"done"}\n',
        b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\n\r\noops",
        b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n" + STARTED,
    ],
    ids=[
        "nothing",
        "garbage",
        "no event",
        "no end",
        "no JSON",
        "half an event",
        "a 500",
        "cut short",
    ],
)
def test_a_broken_answer_is_a_lost_task(answer: bytes) -> None:
    """An incomplete or invalid stream of events raises TaskLost."""
    with _server(answer) as endpoint, pytest.raises(TaskLost, match="mapper-0"):
        _ask(endpoint)


def test_a_refused_connection_is_not_reached() -> None:
    """A refused connection raises NotReached."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(NotReached, match="mapper-0 cannot be reached"):
        _ask(Endpoint("mapper-0", f"http://127.0.0.1:{port}", 1))


def test_a_full_service_answers_with_retry_after() -> None:
    """A 503 raises NoSlot with its Retry-After."""
    answer = b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n"
    with _server(answer) as endpoint, pytest.raises(NoSlot) as caught:
        _ask(endpoint)
    assert caught.value.retry_after_s == 7


@pytest.mark.parametrize(
    ("ahead_s", "said"),
    [
        (0, "it has another signing key"),
        (-20, "it has another signing key"),
        (75, "this machine's clock is 75 s ahead of the service's; set it"),
        (-75, "this machine's clock is 75 s behind the service's; set it"),
        (None, "it has another signing key"),
    ],
)
def test_a_401_is_explained(
    ahead_s: float | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 401 is explained by the service's clock, if it is off, and else by the key."""
    monkeypatch.setattr("driver.transport.http.time.time", lambda: 1_800_000_000.0)
    date = (
        "" if ahead_s is None else f"date: {formatdate(1_800_000_000 - ahead_s, usegmt=True)}\r\n"
    )
    body = b'{"kind":"Unauthorized","message":"unauthorized"}'
    head = f"HTTP/1.1 401 Unauthorized\r\n{date}content-length: {len(body)}\r\n\r\n"
    with _server(head.encode() + body) as endpoint:
        (event,) = _ask(endpoint)
    assert isinstance(event, Failed)
    assert event.error.kind == "Unauthorized"
    assert event.error.message.startswith("mapper-0 does not accept our signature (401): ")
    assert said in event.error.message


def test_a_refusal_keeps_its_cause() -> None:
    """A 403 with our error is a failed attempt of that kind."""
    body = b'{"kind":"RefusedURL","message":"not yours"}'
    head = b"HTTP/1.1 403 Forbidden\r\ncontent-length: %d\r\n\r\n" % len(body)
    with _server(head + body) as endpoint:
        (event,) = _ask(endpoint)
    assert isinstance(event, Failed)
    assert (event.error.kind, event.error.message) == ("RefusedURL", "not yours")


def test_a_service_that_starts_slowly_is_waited_for() -> None:
    """`/health` has a separate timeout, longer than that of heartbeats."""
    health = (
        Health(ok=True, role="map", slots=1, busy=0, build=this_build()).model_dump_json().encode()
    )

    async def ask(endpoint: Endpoint) -> object:
        async with HttpTransport("k" * 32, 0.01) as transport:
            return await transport.health(endpoint)

    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                _read_request(connection)
                threading.Event().wait(0.2)
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(health) + health
                )

        thread = threading.Thread(target=serve)
        thread.start()
        found = asyncio.run(
            ask(Endpoint("mapper-0", f"http://127.0.0.1:{listening.getsockname()[1]}", 1))
        )
        thread.join(timeout=5)
    assert isinstance(found, Health)
    assert found.slots == 1


def test_tasks_of_one_endpoint_share_a_connection() -> None:
    """Successive tasks of an endpoint share a connection."""
    done = _done().model_dump_json().encode() + b"\n"
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with closing(writer), suppress(asyncio.IncompleteReadError):
            while request := await reader.readuntil(b"\r\n\r\n"):
                fields = dict(
                    line.lower().split(b": ") for line in request.strip().split(b"\r\n")[1:]
                )
                await reader.readexactly(int(fields[b"content-length"]))
                writer.write(head + b"%x\r\n%b\r\n" % (len(done), done))
                await writer.drain()
                writer.write(b"0\r\n\r\n")

    async def ask() -> list[object]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        found: list[object] = []
        async with server, HttpTransport("k" * 32, 5.0) as transport:
            for _ in range(3):
                async with aclosing(transport.run(Endpoint("mapper-0", url, 1), _task())) as events:
                    found.append(await anext(events))
        return found

    assert all(isinstance(event, Done) for event in asyncio.run(ask()))
    assert connections == 1


@pytest.mark.parametrize("end", [b"", b"zz\r\n"], ids=["no end", "a broken end"])
def test_a_result_that_is_there_counts_however_its_answer_ends(end: bytes) -> None:
    """A result counts, however the answer ends after it."""
    done = _done()
    line = done.model_dump_json().encode() + b"\n"
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    with _server(head + b"%x\r\n%b\r\n" % (len(line), line) + end) as endpoint:
        assert _ask(endpoint) == [done]


HEALTH_OF_OLD = b'{"ok":true,"role":"map","slots":1,"busy":0}'


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (None, "is older than this driver"),
        (this_build().model_copy(update={"engine": "0" * 32}), "another build of the engine"),
    ],
)
def test_an_event_of_another_build_ends_the_run(build: Build | None, named: str) -> None:
    """The first event of another build ends the run with the remedy."""
    started = (
        Started(attempt=AttemptId.of(_task()), worker=1, build=build).model_dump_json().encode()
        + b"\n"
    )
    with _server(HEAD + started) as endpoint, pytest.raises(FleetError, match=named) as caught:
        _ask(endpoint)
    assert "./deploy.sh" in str(caught.value)


def test_a_service_that_does_not_know_the_messages_is_asked_for_its_build() -> None:
    """A service that does not know the message is refused as too old, after a look at its build."""
    answers = [
        b"HTTP/1.1 422 No\r\ncontent-length: 34\r\n\r\n" + b'{"kind":"UsageError","message":""}'
    ]
    answers.append(
        b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(HEALTH_OF_OLD) + HEALTH_OF_OLD
    )

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ") for line in head.strip().split(b"\r\n")[1:])
        await reader.readexactly(int(fields.get(b"content-length", b"0")))
        writer.write(answers.pop(0))
        await writer.drain()
        writer.close()

    async def ask() -> list[object]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            async with HttpTransport("k" * 32, 5.0) as transport:
                return [
                    event async for event in transport.run(Endpoint("mapper-0", url, 1), _task())
                ]
        finally:
            server.close()

    with pytest.raises(FleetError, match="mapper-0 is older than this driver"):
        asyncio.run(ask())
