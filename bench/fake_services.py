"""Fake mappers, any number in one process: they speak the services' protocol, check tokens, do no
work.

They serve to measure the driver: the cost of a task here is not the driver's, and falls to another
process.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from mapreduce.errors import Unauthorized
from mapreduce.wire import keys
from mapreduce.wire.build import this_build
from mapreduce.wire.messages import (
    AttemptId,
    BlocksSum,
    Cost,
    Done,
    Health,
    MapResult,
    MapTask,
    Progress,
    RangeRead,
    Started,
)
from mapreduce.wire.tokens import opened

HEALTH = Health(ok=True, role="map", slots=1, busy=0, build=this_build()).model_dump_json().encode()


@contextmanager
def fake_mappers(count: int, signing_key: str, task_s: float) -> Iterator[list[str]]:
    """Start `count` mappers, yield their URLs, and end them with the block.

    Args:
        count: how many.
        signing_key: the key of the requests' tokens.
        task_s: the simulated time of each task, in seconds.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, count, signing_key, task_s), daemon=True)
    process.start()
    theirs.close()
    try:
        yield [f"http://127.0.0.1:{port}" for port in ours.recv()]
    finally:
        ours.close()  # the process ends when this closes
        process.join()


def _serve(control: Connection, count: int, signing_key: str, task_s: float) -> None:
    asyncio.run(_serve_until_closed(control, count, signing_key, task_s))


async def _serve_until_closed(
    control: Connection, count: int, signing_key: str, task_s: float
) -> None:
    loop = asyncio.get_running_loop()
    closed = asyncio.Event()
    loop.add_reader(control.fileno(), closed.set)
    servers = [
        await loop.create_server(
            lambda: _Connection(signing_key, task_s), "127.0.0.1", 0, backlog=128
        )
        for _ in range(count)
    ]
    control.send([server.sockets[0].getsockname()[1] for server in servers])
    await closed.wait()


class _Connection(asyncio.Protocol):
    """One connection: successive requests, each answered in chunks as the real services do."""

    def __init__(self, signing_key: str, task_s: float) -> None:
        self._key = signing_key
        self._task_s = task_s
        self._received = b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        request, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        length = int(headers.get("content-length", "0"))
        if len(rest) >= length:
            self._received = rest[length:]
            self._answer(request, headers, rest[:length])

    def _answer(self, request: str, headers: dict[str, str], body: bytes) -> None:
        if request.startswith("GET /health"):
            self._head("200 OK", f"content-length: {len(HEALTH)}")
            self._transport.write(HEALTH)
            return
        try:
            token = headers.get("authorization", "").removeprefix("Bearer ")
            opened(self._key, "/map", token, time.time()).check_body(body)
        except Unauthorized:
            self._head("401 Unauthorized", "content-length: 0")
            return
        task = MapTask.model_validate_json(body)
        self._head("200 OK", "content-type: application/jsonl\r\ntransfer-encoding: chunked")
        self._chunk(Started(attempt=AttemptId.of(task), worker=1, build=this_build()))
        if self._task_s:
            self._loop.call_later(self._task_s, self._finish, task)
        else:
            self._finish(task)

    def _finish(self, task: MapTask) -> None:
        if not self._transport.is_closing():
            self._chunk(Progress(attempt=AttemptId.of(task), bytes=task.split.length, records=1000))
            self._chunk(
                Done(
                    attempt=AttemptId.of(task),
                    result=_result(task, self._task_s),
                    build=this_build(),
                )
            )
            self._transport.write(b"0\r\n\r\n")

    def _head(self, status: str, headers: str) -> None:
        self._transport.write(f"HTTP/1.1 {status}\r\n{headers}\r\n\r\n".encode())

    def _chunk(self, message: Started | Progress | Done) -> None:
        line = message.model_dump_json().encode() + b"\n"
        self._transport.write(b"%x\r\n%b\r\n" % (len(line), line))


def _result(task: MapTask, seconds: float) -> MapResult:
    """Return the result of a mapper that has read all of its split."""
    return MapResult(
        url=keys.map_attempt(task.store, task.run, task.index, task.attempt),
        etag=f"{task.index:032x}",
        size=64_000 * task.partitions,
        pieces=tuple(
            RangeRead(source=piece.source, start=piece.start, bytes_owned=piece.length)
            for piece in task.split.pieces
        ),
        records_in=1000,
        records_out=1000 * task.partitions,
        blocks=BlocksSum(partitions=task.partitions, digest=f"{task.index:032x}", seal=task.index),
        counters={},
        cost=Cost(seconds=seconds, peak_memory_bytes=100_000_000),
    )
