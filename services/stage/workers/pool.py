"""The slots of a service: warm workers, each with at most one task; a dead one is replaced at once.

A frame counts for a task only if it carries the nonce drawn for that task. A worker is used again
only if nothing of its last task is left: no byte in its socket, no process.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from mapreduce.wire.messages import Failed, MapTask, ReduceTask, Said, SplitTask
from services.shell.process_tree import cause_of_death
from services.stage.workers.channel import (
    EVENT,
    LAST,
    NO_NONCE,
    READY,
    TASK,
    UNCLEAN,
    Foreign,
    Frame,
    FrameBuffer,
    new_nonce,
)
from services.stage.workers.children import READ_BYTES
from services.stage.workers.failures import lost
from services.stage.workers.fork_server import ForkServer
from services.stage.workers.order import Order
from services.stage.workers.prints import Prints

REHIRE_PAUSE_S = 0.2
HIRE_LIMIT_S = 10.0
"""How long a task waits for a worker; a fork takes milliseconds unless the system is out of memory.
"""
_ANSWERS = frozenset((READY, EVENT, LAST, UNCLEAN))
log = structlog.get_logger("services.workers")


class Busy(Exception):
    """Every slot has a task."""


class _Gone(Exception):
    """The worker closed its end of the socket."""


class _NotHired(Exception):
    """No worker could be started; the message names the cause."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a task: its JSON line, and whether it is the last."""

    line: bytes
    last: bool = False


@dataclass(slots=True)
class _Worker:
    """A worker's socket, the pipe of its tasks' output, and the frames received so far."""

    socket: socket.socket
    prints: Prints
    pid: int = 0
    incoming: FrameBuffer = field(default_factory=lambda: FrameBuffer(_ANSWERS))

    async def next(self, nonce: bytes) -> Frame:
        """Return the next frame.

        Raises:
            _Gone: the worker closed its socket.
            Foreign: the frame carries another nonce.
        """
        while (frame := self.incoming.next(nonce)) is None:
            await self._receive()
        return frame

    async def send(self, frame: Frame) -> None:
        """Send a frame; raises `_Gone`."""
        try:
            await asyncio.get_running_loop().sock_sendall(self.socket, frame.encoded())
        except OSError:
            raise _Gone from None

    @property
    def is_silent(self) -> bool:
        """True if the worker is alive and has sent nothing that is still unread."""
        if not self.incoming.is_empty:
            return False
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False  # unread bytes, or end of file

    def close(self) -> None:
        """Close the socket, which ends the worker, and the pipe of its tasks' output."""
        self.socket.close()
        self.prints.close()

    async def _receive(self) -> None:
        try:
            data = await asyncio.get_running_loop().sock_recv(self.socket, READ_BYTES)
        except OSError:
            raise _Gone from None
        if not data:
            raise _Gone
        self.incoming.feed(data)


class WorkerPool:
    """Runs tasks in workers.

    Args:
        fork_server: the fork server, which forks the workers.
        slots: how many tasks may run at the same time.
    """

    def __init__(self, fork_server: ForkServer, slots: int) -> None:
        self._fork_server = fork_server
        self.slots = slots
        self.busy = 0
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._hiring: set[asyncio.Task[None]] = set()
        self._lacking = 0

    @property
    def able(self) -> int:
        """How many tasks can run at the same time now; a slot without a worker does not count."""
        return self.slots - self._lacking

    async def start(self, lost: Callable[[], None]) -> None:
        """Fork the workers; `lost` is called if the fork server ends, and no more can be forked."""
        await self._fork_server.attach(lost)
        for _ in range(self.slots):
            self._rehire()
        await asyncio.wait(self._hiring, timeout=HIRE_LIMIT_S)

    async def close(self) -> None:
        """End all workers."""
        for hiring in self._hiring:
            hiring.cancel()
        await asyncio.gather(*self._hiring, return_exceptions=True)
        while not self._idle.empty():
            self._idle.get_nowait().close()
        self._fork_server.close()

    def take(self) -> None:
        """Take a slot for a task.

        Raises:
            Busy: every slot has a task.
        """
        if self.busy >= self.able:
            raise Busy
        # counted here and not in `run`: a generator runs nothing before its first event is
        # requested
        self.busy += 1

    async def run(self, task: SplitTask | MapTask | ReduceTask) -> AsyncGenerator[Event, None]:
        """Run a task in the slot that was taken, and free the slot.

        Args:
            task: the message.

        Yields:
            The task's events. Closing the generator kills the worker.
        """
        nonce = new_nonce()
        order = Order.of(task, nonce)
        healthy = False
        try:
            try:
                # a caller that hears nothing would take the whole service for lost
                async with asyncio.timeout(HIRE_LIMIT_S):
                    worker = await self._silent()
            except TimeoutError:
                yield _failed(
                    order, "the service has no worker for the task: no process could be started"
                )
                return
            worker.prints.begin()
            try:
                await worker.send(Frame(TASK, nonce, order.encoded()))
                while True:
                    frame = await worker.next(nonce)
                    if frame.kind == EVENT:
                        # at most one for each heartbeat: a job that prints more is not faster told
                        for said in _said(order, worker.prints):
                            yield said
                        yield _event(frame)
                    elif frame.kind in (LAST, UNCLEAN):
                        healthy = frame.kind == LAST
                        for said in _said(order, worker.prints, all_of_it=True):
                            yield said
                        yield _event(frame)
                        return
            except _Gone:
                # the socket closes before the fork server has reaped the worker
                status = await self._fork_server.status(worker.pid)
                for said in _said(order, worker.prints, all_of_it=True):
                    yield said
                yield _failed(order, f"the worker process {cause_of_death(status)}")
            except Foreign as exc:
                yield _failed(order, str(exc))
            finally:
                if left_out := worker.prints.end():
                    log.warning(
                        "too much was printed by a task",
                        left_out_bytes=left_out,
                        task=order.head.attempt.task,
                    )
                self._return(worker, healthy=healthy)
        finally:
            self.busy -= 1

    async def _silent(self) -> _Worker:
        """Return an idle worker with nothing unread; replace others."""
        # an idle worker that sends something, or has ended, may hold leftovers of an earlier task
        while not (worker := await self._idle.get()).is_silent:
            self._return(worker, healthy=False)
        return worker

    def _return(self, worker: _Worker, *, healthy: bool) -> None:
        if healthy and worker.is_silent:
            self._idle.put_nowait(worker)
            return
        with suppress(OSError):  # without the kill it still ends, when its socket closes
            self._fork_server.kill(worker.pid)
        self._fork_server.forget(worker.pid)
        worker.close()
        self._rehire()

    def _rehire(self) -> None:
        hiring = asyncio.create_task(self._hire())
        self._hiring.add(hiring)
        hiring.add_done_callback(self._hiring.discard)

    async def _hire(self) -> None:
        """Start workers until one succeeds: without one, the slot's tasks would wait for ever."""
        failed = False
        try:
            while True:
                try:
                    worker = await self._hired()
                except (_NotHired, _Gone, Foreign, OSError) as exc:
                    # once a slot, however often its start fails
                    self._lacking += not failed
                    failed = True
                    log.warning(
                        "no worker could be started; trying again", error=str(exc), slots=self.able
                    )
                    await asyncio.sleep(REHIRE_PAUSE_S)
                else:
                    self._idle.put_nowait(worker)
                    return
        finally:
            self._lacking -= failed

    async def _hired(self) -> _Worker:
        """Return a new worker.

        Raises:
            _NotHired: it could not be forked.
            _Gone: it ended at once.
            OSError: this process has no descriptor or memory left for its socket.
        """
        prints = Prints()
        try:
            worker = _Worker(self._fork_server.spawn(prints.writing), prints)
        except BaseException:
            prints.close()
            raise
        finally:
            # only the worker may hold the writing end, so that its death closes the pipe
            os.close(prints.writing)
        try:
            worker.socket.setblocking(False)
            said = json.loads((await worker.next(NO_NONCE)).payload)
            if "ready" not in said:
                raise _NotHired(said.get("error", "no reason given"))
            worker.pid = said["ready"]
        except BaseException:
            worker.close()
            raise
        return worker


def _event(frame: Frame) -> Event:
    return Event(frame.payload + b"\n", last=frame.kind != EVENT)


def _said(order: Order, prints: Prints, *, all_of_it: bool = False) -> Iterator[Event]:
    """Yield the event of what a task has printed since the last one, if it has printed anything."""
    lines, left_out = prints.said(all_of_it=all_of_it)
    if lines or left_out:
        said = Said(attempt=order.head.attempt, lines=lines, left_out=left_out)
        yield Event(said.model_dump_json().encode() + b"\n")


def _failed(order: Order, message: str) -> Event:
    failed = Failed(attempt=order.head.attempt, error=lost(message))
    return Event(failed.model_dump_json().encode() + b"\n", last=True)
