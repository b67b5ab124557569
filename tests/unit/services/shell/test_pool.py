"""The slots of a service, over workers that are sockets of the test's own."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import cast

import pytest

from mapreduce.messages import Failed, parse_event
from services.shell import pool as pool_module
from services.shell.nursery import Nursery
from services.shell.pool import WorkerPool


class _Nursery:
    """Each spawn is a pair of sockets: the pool has one end, and the test keeps the other."""

    def __init__(self, born: Callable[[int, socket.socket], None]) -> None:
        self._born = born
        self.theirs: list[socket.socket] = []
        self.killed: list[int] = []

    async def attach(self, lost: Callable[[], None]) -> None:
        """Nothing to listen to."""

    def spawn(self) -> socket.socket:
        """One more worker; `born` decides what it does first."""
        ours, theirs = socket.socketpair()
        self.theirs.append(theirs)
        self._born(len(self.theirs), theirs)
        return ours

    def kill(self, pid: int) -> None:
        """Remembered."""
        self.killed.append(pid)

    async def status(self, pid: int) -> int:
        """Killed by SIGKILL."""
        return 9

    def forget(self, pid: int) -> None:
        """Nothing is known."""

    def close(self) -> None:
        """Closes all ends."""
        for each in self.theirs:
            each.close()


def _ready(number: int, worker: socket.socket) -> None:
    worker.sendall(json.dumps({"ready": number}).encode() + b"\n")


async def _last_event(pool: WorkerPool) -> object:
    pool.take()
    return [parse_event.validate_json(line) async for line in pool.run(b"{}")][-1]


def test_a_worker_that_dies_with_its_task_unread_has_a_cause() -> None:
    """The socket of such a worker is reset, not closed; its task fails all the same, with the cause."""

    async def story() -> object:
        nursery = _Nursery(_ready)
        pool = WorkerPool(cast(Nursery, nursery), slots=1)
        await pool.start(lambda: None)
        asking = asyncio.create_task(_last_event(pool))
        await asyncio.sleep(0)
        nursery.theirs[0].recv(1)  # the rest of the task stays unread
        nursery.theirs[0].close()
        event = await asking
        await pool.close()
        await asyncio.sleep(0)
        return event

    event = asyncio.run(story())
    assert isinstance(event, Failed)
    assert "was killed by SIGKILL" in event.error.message


def test_a_worker_that_dies_before_it_is_ready_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its slot would take tasks and never start them."""
    monkeypatch.setattr(pool_module, "REHIRE_PAUSE_S", 0.0)

    def born(number: int, worker: socket.socket) -> None:
        if number < 3:
            worker.close()
        else:
            _ready(number, worker)
            worker.sendall(b'{"event":"failed","error":{"kind":"X","message":"from worker 3"}}\n')

    async def story() -> object:
        pool = WorkerPool(cast(Nursery, _Nursery(born)), slots=1)
        await pool.start(lambda: None)
        event = await asyncio.wait_for(_last_event(pool), 5)
        await pool.close()
        await asyncio.sleep(0)  # what was closed is gone only in the next turn of the loop
        return event

    event = asyncio.run(story())
    assert isinstance(event, Failed)
    assert event.error.message == "from worker 3"
