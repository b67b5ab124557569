"""The slots of a service: warm workers, each with at most one task; a dead or cancelled one is replaced at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from mapreduce.messages import Failed, TaskError
from services.shell.nursery import Nursery
from services.shell.processes import cause_of_death

LINE_LIMIT = 256 << 20
REHIRE_PAUSE_S = 0.2
_LAST = (b'{"event":"done"', b'{"event":"failed"')


class Busy(Exception):
    """Every slot has a task."""


@dataclass(frozen=True, slots=True)
class _Worker:
    pid: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class WorkerPool:
    """Runs tasks in workers.

    Args:
        nursery: forks the workers.
        slots: how many tasks may run at the same time.
    """

    def __init__(self, nursery: Nursery, slots: int) -> None:
        self._nursery = nursery
        self.slots = slots
        self.busy = 0
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._hiring: set[asyncio.Task[None]] = set()

    async def start(self, lost: Callable[[], None]) -> None:
        """Forks the workers; `lost` is called if no more can be had, ever."""
        await self._nursery.attach(lost)
        await asyncio.gather(*(self._hire() for _ in range(self.slots)))

    async def close(self) -> None:
        """Ends all workers."""
        for hiring in self._hiring:
            hiring.cancel()
        await asyncio.gather(*self._hiring, return_exceptions=True)
        while not self._idle.empty():
            self._idle.get_nowait().writer.close()
        self._nursery.close()

    def take(self) -> None:
        """Takes a slot for a task; raises `Busy`."""
        if self.busy >= self.slots:
            raise Busy
        self.busy += 1

    async def run(self, task: bytes) -> AsyncGenerator[bytes, None]:
        """Runs a task in the slot that was taken, and gives the slot back.

        Args:
            task: the message, as JSON on one line.

        Yields:
            The worker's events, one JSON line each; the last is `done` or `failed`. Closing the generator kills the
            worker.
        """
        finished = False
        try:
            worker = await self._idle.get()
            try:
                worker.writer.write(task + b"\n")
                while not finished:
                    line = await _line(worker.reader)
                    if not line:
                        status = await self._nursery.status(worker.pid)
                        yield _lost(cause_of_death(status))
                        return
                    finished = line.startswith(_LAST)
                    yield line
            finally:
                self._return(worker, healthy=finished)
        finally:
            self.busy -= 1

    def _return(self, worker: _Worker, *, healthy: bool) -> None:
        if healthy:
            self._idle.put_nowait(worker)
            return
        self._nursery.kill(worker.pid)
        self._nursery.forget(worker.pid)
        worker.writer.close()
        hiring = asyncio.create_task(self._hire())
        self._hiring.add(hiring)
        hiring.add_done_callback(self._hiring.discard)

    async def _hire(self) -> None:
        """Until there is one worker more: a slot without one would let its tasks wait for ever."""
        while True:
            reader, writer = await asyncio.open_connection(sock=self._nursery.spawn(), limit=LINE_LIMIT)
            ready = await _line(reader)
            if ready:
                self._idle.put_nowait(_Worker(json.loads(ready)["ready"], reader, writer))
                return
            writer.close()
            await asyncio.sleep(REHIRE_PAUSE_S)


async def _line(reader: asyncio.StreamReader) -> bytes:
    """What a worker says next; nothing once it is dead, also when it died with something of ours unread."""
    try:
        return await reader.readline()
    except ConnectionError:
        return b""


def _lost(cause: str) -> bytes:
    error = TaskError(kind="TaskLost", message=f"the worker process {cause}")
    return Failed(error=error).model_dump_json().encode() + b"\n"
