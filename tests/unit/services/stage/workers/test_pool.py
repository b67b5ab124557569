"""The slots of a service, with sockets of the test as workers."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import cast

import pytest

from mapreduce.wire.messages import Failed, Progress, Said, SplitRule, SplitTask, parse_event
from services.stage.workers import pool as pool_module
from services.stage.workers.channel import (
    EVENT,
    LAST,
    NO_NONCE,
    NONCE_BYTES,
    READY,
    UNCLEAN,
    Frame,
    FrameBuffer,
)
from services.stage.workers.failures import lost
from services.stage.workers.fork_server import ForkServer
from services.stage.workers.order import Order
from services.stage.workers.pool import WorkerPool

TASK_MESSAGE = SplitTask(run="run-1", store="file:///store", inputs=(), cut=SplitRule(splits=1))


class _ForkServer:
    """Each spawn creates a pair of sockets, one for the pool and one for the test."""

    def __init__(self, born: Callable[[int, socket.socket], None]) -> None:
        self._born = born
        self.theirs: list[socket.socket] = []
        self.killed: list[int] = []

    async def attach(self, lost: Callable[[], None]) -> None:
        """Do nothing."""

    def spawn(self, output: int) -> socket.socket:
        """Create a worker; `born` decides what it does first."""
        ours, theirs = socket.socketpair()
        self.theirs.append(theirs)
        try:
            self._born(len(self.theirs), theirs)
        except OSError:
            ours.close()
            raise
        return ours

    def kill(self, pid: int) -> None:
        """Record it."""
        self.killed.append(pid)

    async def status(self, pid: int) -> int:
        """Return that SIGKILL ended it."""
        return 9

    def forget(self, pid: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Close all sockets."""
        for each in self.theirs:
            each.close()


def _ready(number: int, worker: socket.socket) -> None:
    worker.sendall(Frame(READY, NO_NONCE, b'{"ready": %d}' % number).encoded())


async def _given(worker: socket.socket) -> Order:
    """Return the task that a worker gets."""
    worker.setblocking(False)
    incoming = FrameBuffer()
    while (frame := incoming.next(None)) is None:
        incoming.feed(await asyncio.get_running_loop().sock_recv(worker, 1 << 16))
    return Order.decoded(frame.payload)


def _failure(order: Order, message: str) -> bytes:
    return Failed(attempt=order.head.attempt, error=lost(message)).model_dump_json().encode()


async def _last_event(pool: WorkerPool) -> object:
    pool.take()
    return [parse_event.validate_json(event.line) async for event in pool.run(TASK_MESSAGE)][-1]


def test_a_worker_that_dies_with_its_task_unread_has_a_cause() -> None:
    """The task of a worker that dies before it has read the task fails with the cause."""

    async def story() -> object:
        fork_server = _ForkServer(_ready)
        pool = WorkerPool(cast(ForkServer, fork_server), slots=1)
        await pool.start(lambda: None)
        asking = asyncio.create_task(_last_event(pool))
        await asyncio.sleep(0)
        fork_server.theirs[0].recv(1)  # the rest of the task stays unread
        fork_server.theirs[0].close()
        event = await asking
        await pool.close()
        await asyncio.sleep(0)
        return event

    event = asyncio.run(story())
    assert isinstance(event, Failed)
    assert "was killed by SIGKILL" in event.error.message


Behaviour = Callable[[Order, socket.socket], None]


def _story(
    monkeypatch: pytest.MonkeyPatch, *behaviours: Behaviour
) -> tuple[list[object], list[int]]:
    """Return the last events of one slot's tasks, one for each behaviour, and the killed workers.

    Worker n has behaviour n when it gets its task; the last worker has the last one for all later
    tasks.
    """
    monkeypatch.setattr(pool_module, "REHIRE_PAUSE_S", 0.0)

    async def story() -> tuple[list[object], list[int]]:
        fork_server = _ForkServer(_ready)
        pool = WorkerPool(cast(ForkServer, fork_server), slots=1)
        await pool.start(lambda: None)
        events: list[object] = []
        for behave in behaviours:
            asking = asyncio.create_task(_last_event(pool))
            await asyncio.sleep(0)
            worker = fork_server.theirs[-1]
            behave(await _given(worker), worker)
            events.append(await asyncio.wait_for(asking, 5))
            await asyncio.sleep(0)
        await pool.close()
        await asyncio.sleep(0)  # a closed transport is gone only in the loop's next turn
        return events, fork_server.killed

    return asyncio.run(story())


def _messages(events: list[object]) -> list[str]:
    return [event.error.message if isinstance(event, Failed) else "done" for event in events]


def _says(text: str, kind: bytes = LAST) -> Behaviour:
    return lambda order, worker: worker.sendall(
        Frame(kind, order.nonce, _failure(order, text)).encoded()
    )


def test_a_worker_that_is_done_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that has finished without remains gets the next task."""
    events, killed = _story(monkeypatch, _says("one"), _says("two"))
    assert ["one", "two"] == _messages(events)
    assert killed == []


def test_a_second_answer_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that sends a second answer is killed, and the next task gets its own answer."""

    def twice(order: Order, worker: socket.socket) -> None:
        for text in ("one", "one too much"):
            _says(text)(order, worker)

    events, killed = _story(monkeypatch, twice, _says("two"))
    assert ["one", "two"] == _messages(events)
    assert [1] == killed


@pytest.mark.parametrize(
    "forged",
    [
        Frame(LAST, b"f" * NONCE_BYTES, b'{"event":"done"}').encoded(),
        b'{"event":"done","result":{}}\n',
        b"L",
        b"\0" * 40,
    ],
    ids=["another nonce", "a line", "one byte of it", "zeros"],
)
def test_a_foreign_frame_is_no_answer(monkeypatch: pytest.MonkeyPatch, forged: bytes) -> None:
    """A worker that sends another frame loses the task, and is killed."""

    def forge(order: Order, worker: socket.socket) -> None:
        worker.sendall(forged + Frame(LAST, order.nonce, _failure(order, "true")).encoded())

    events, killed = _story(monkeypatch, forge, _says("two"))
    assert "not the task's answer" in _messages(events)[0]
    assert "two" == _messages(events)[1]
    assert [1] == killed


def test_a_worker_with_something_left_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker with remains is replaced, and its answer counts."""
    events, killed = _story(monkeypatch, _says("one", UNCLEAN), _says("two"))
    assert ["one", "two"] == _messages(events)
    assert [1] == killed


def test_a_worker_that_dies_before_it_is_ready_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that dies before it is ready is replaced, because its slot could not start tasks."""
    monkeypatch.setattr(pool_module, "REHIRE_PAUSE_S", 0.0)

    def born(number: int, worker: socket.socket) -> None:
        if number < 3:
            worker.close()
        else:
            _ready(number, worker)

    async def story() -> object:
        fork_server = _ForkServer(born)
        pool = WorkerPool(cast(ForkServer, fork_server), slots=1)
        await pool.start(lambda: None)
        asking = asyncio.create_task(_last_event(pool))
        _says("from worker 3")(await _given(fork_server.theirs[2]), fork_server.theirs[2])
        event = await asyncio.wait_for(asking, 5)
        await pool.close()
        await asyncio.sleep(0)  # a closed transport is gone only in the loop's next turn
        return event

    event = asyncio.run(story())
    assert isinstance(event, Failed)
    assert event.error.message == "from worker 3"


@pytest.mark.parametrize("trouble", ["no descriptor", "no process"])
def test_a_worker_that_cannot_start_starts_later(
    monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """A slot whose worker cannot start does not count until a later start succeeds."""
    monkeypatch.setattr(pool_module, "REHIRE_PAUSE_S", 0.0)
    scarce = [False]

    def born(number: int, worker: socket.socket) -> None:
        if scarce[0] and trouble == "no descriptor":
            raise OSError(24, "Too many open files")
        if scarce[0]:
            worker.sendall(Frame(READY, NO_NONCE, b'{"error": "fork: no process"}').encoded())
        else:
            _ready(number, worker)

    async def story() -> tuple[list[int], object]:
        fork_server = _ForkServer(born)
        pool = WorkerPool(cast(ForkServer, fork_server), slots=2)
        await pool.start(lambda: None)
        able = [pool.able]
        scarce[0] = True
        asking = asyncio.create_task(_last_event(pool))
        await asyncio.sleep(0)
        fork_server.theirs[0].close()  # this worker ends with its task
        await asyncio.wait_for(asking, 5)
        while pool.able == 2:
            await asyncio.sleep(0)
        able.append(pool.able)
        pool.take()
        with pytest.raises(pool_module.Busy):
            pool.take()
        pool.busy -= 1
        scarce[0] = False
        while pool.able < 2:
            await asyncio.sleep(0)
        able.append(pool.able)
        await pool.close()
        await asyncio.sleep(0)  # a closed transport is gone only in the loop's next turn
        return able, None

    assert [2, 1, 2] == asyncio.run(story())[0]


def test_a_task_whose_slot_gets_no_worker_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task whose slot gets no worker fails after a limit."""
    monkeypatch.setattr(pool_module, "HIRE_LIMIT_S", 0.01)

    async def story() -> object:
        fork_server = _ForkServer(lambda *_: None)
        pool = WorkerPool(cast(ForkServer, fork_server), slots=1)
        await pool.start(lambda: None)
        event = await asyncio.wait_for(_last_event(pool), 5)
        await pool.close()
        await asyncio.sleep(0)
        return event

    event = asyncio.run(story())
    assert isinstance(event, Failed)
    assert "no worker" in event.error.message


def test_what_a_task_prints_comes_with_its_events() -> None:
    """Lines are sent before the next event of their task, the rest before the last one; what comes
    after the last one belongs to no task.
    """

    async def story() -> list[object]:
        outputs: list[int] = []

        class _Printing(_ForkServer):
            def spawn(self, output: int) -> socket.socket:
                outputs.append(os.dup(output))
                return super().spawn(output)

        fork_server = _Printing(_ready)
        pool = WorkerPool(cast(ForkServer, fork_server), slots=1)
        await pool.start(lambda: None)
        found: list[object] = []
        worker = fork_server.theirs[0]
        for number in range(2):
            pool.take()
            events = pool.run(TASK_MESSAGE)
            asking = asyncio.ensure_future(anext(events))
            order = await _given(worker)
            os.write(outputs[0], b"line %d\npart" % number)
            await asyncio.sleep(0)
            beat = Progress(attempt=order.head.attempt, bytes=1, records=1)
            worker.sendall(Frame(EVENT, order.nonce, beat.model_dump_json().encode()).encoded())
            found.append(parse_event.validate_json((await asking).line))
            found.append(parse_event.validate_json((await anext(events)).line))
            os.write(outputs[0], b"ial")
            worker.sendall(Frame(LAST, order.nonce, _failure(order, "it broke")).encoded())
            found += [parse_event.validate_json(event.line) async for event in events]
            os.write(outputs[0], b"too late\n")
        await pool.close()
        os.close(outputs[0])
        return found

    found = asyncio.run(story())
    kinds = [Said, Progress, Said, Failed]
    assert kinds * 2 == [type(event) for event in found]
    said = [event.lines for event in found if isinstance(event, Said)]
    assert [("line 0",), ("partial",), ("line 1",), ("partial",)] == said
