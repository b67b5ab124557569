"""A template: a process that has imported a job and run nothing of it, and is forked for each of the job's tasks.

So every task begins from the same state, whatever ran before it. It never touches the object store's client, whose
threads do not survive a fork, and runs one task at a time.
"""

from __future__ import annotations

import gc
import os
import random
import select
import signal
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from mapreduce.code import JobClass, import_job
from mapreduce.messages import JobSpec, Message, TaskError
from services.shell.channel import EVENT, NO_NONCE, Frame
from services.shell.children import Child, become, received
from services.shell.failures import error_of
from services.shell.forkable import OutsideWatch, traces, why_fresh
from services.shell.forks import guard_forks
from services.shell.order import Order
from services.shell.processes import descendants_of

_LENGTH = struct.Struct(">Q")
_STATUS = struct.Struct(">i")
END_S = 1.0
"""How long the end of a process that was killed may take."""
_PAUSE_S = 0.01
TaskMain = Callable[[Order, socket.socket, JobClass | None], None]
"""Carries out a task, with the job's class if that is imported already."""


class Imported(Message):
    """What a template says when it has imported its job.

    Attributes:
        error: why it could not.
        fresh: why it may not be forked, or "".
    """

    error: TaskError | None = None
    fresh: str = ""


def template_main(spec: JobSpec, root: str, run: TaskMain) -> Callable[[socket.socket], None]:
    """Return what a template does, from its fork to its end.

    Args:
        spec: the job.
        root: the folder of its code.
        run: carries out a task, in a process of its own.
    """

    def main(control: socket.socket) -> None:
        unseeded = random.getstate()
        imported, job = _import(spec, root)
        control.sendall(Frame(EVENT, NO_NONCE, imported.model_dump_json().encode()).encoded())
        if imported.error or imported.fresh:
            return
        gc.collect()
        gc.freeze()  # a collection in a task's process would copy every page
        # a fork gives the generator a new seed, as a new process has one; one that the job has chosen is kept
        seeded = random.getstate() if random.getstate() != unseeded else None
        while (given := _given(control)) is not None:
            order, answers = given
            control.sendall(
                _STATUS.pack(_forked(order, answers, lambda order, answers: run(order, answers, job), seeded))
            )

    return main


def _import(spec: JobSpec, root: str) -> tuple[Imported, JobClass | None]:
    guard_forks()
    before, watch = traces(), OutsideWatch()
    try:
        job = import_job(Path(root), spec.module, spec.name)
    except BaseException as exc:  # noqa: BLE001 - a job that ends the process at its import has failed
        return Imported(error=error_of(exc, f"the import of {spec.module}")), None
    finally:
        watch.stop()
    return Imported(fresh=why_fresh(before, traces(), watch.seen)), job


def _given(control: socket.socket) -> tuple[Order, socket.socket] | None:
    """Return the next task, and the socket for its answers; None when the worker is gone."""
    data, files, _, _ = socket.recv_fds(control, _LENGTH.size, 1)
    if not data:
        return None
    while len(data) < _LENGTH.size:
        data += control.recv(_LENGTH.size - len(data))
    (length,) = _LENGTH.unpack(data)
    with control.makefile("rb", buffering=0) as file:
        body = bytearray()
        while len(body) < length and (more := file.read(length - len(body))):
            body += more
    return Order.decoded(bytes(body)), socket.socket(fileno=files[0])


def _forked(order: Order, answers: socket.socket, run: Callable[[Order, socket.socket], None], seeded: Any) -> int:
    """Carry out a task in a copy of this process; return its wait status."""
    pid = os.fork()
    if pid == 0:
        _become_task(order, answers, run, seeded)
    answers.close()
    return os.waitpid(pid, 0)[1]


def _become_task(
    order: Order, answers: socket.socket, run: Callable[[Order, socket.socket], None], seeded: Any
) -> NoReturn:
    if seeded is not None:
        random.setstate(seeded)
    become(answers, lambda connection: run(order, connection))


class Template:
    """The worker's side of a template.

    Attributes:
        child: the process.
    """

    def __init__(self, child: Child) -> None:
        self.child = child

    def start(self, order: Order) -> TemplateTask:
        """Have it carry out a task in a copy of itself."""
        ours, theirs = socket.socketpair()
        data = order.encoded()
        with theirs, suppress(ConnectionError):  # a template that is gone answers nothing, which is noticed
            socket.send_fds(self.child.socket, [_LENGTH.pack(len(data))], [theirs.fileno()])
            self.child.socket.sendall(data)
        return TemplateTask(self.child, ours)


class TemplateTask:
    """A task's process, as a copy of a template.

    Attributes:
        socket: where its answers come.
    """

    def __init__(self, template: Child, answers: socket.socket) -> None:
        self._template = template
        self.socket = answers
        self._status: int | None = None

    def poll(self) -> int | None:
        """Return the wait status if the task's process has ended, else None."""
        if self._status is None and select.select([self._template.socket], [], [], 0)[0]:
            data = received(self._template.socket)
            if len(data) == _STATUS.size:
                (self._status,) = _STATUS.unpack(data)
            else:  # the template is gone, and its copies with it
                self._status = self._template.wait(END_S)
        return self._status

    def wait(self, limit_s: float) -> int | None:
        """Return the wait status, or None if the process has not ended after so many seconds."""
        if self.poll() is None:
            select.select([self._template.socket], [], [], limit_s)
        return self.poll()

    def end(self) -> None:
        """Kill the task's process; the template goes on, unless it does not tell of the process's end."""
        self.socket.close()
        until = time.monotonic() + END_S
        while self.poll() is None:
            for pid in descendants_of(self._template.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.wait(_PAUSE_S)
            if time.monotonic() > until:
                self._template.end()
                return
