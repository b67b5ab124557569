"""A template: a process that has imported a job and run nothing else of it, forked for each task.

So every task begins from the same state, whatever ran before it. A template never uses the object
store's client, whose threads do not survive a fork, and runs one task at a time.
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
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mapreduce.code import JobClass, import_job, modules_loaded
from mapreduce.errors import TaskLost
from mapreduce.formats.limits import LIMITS
from mapreduce.formats.readers import reader_of
from mapreduce.input_formats import InputFormat, Parquet
from mapreduce.job import Job
from mapreduce.packages import hold, use_packages
from mapreduce.user_code.column_check import has_columns
from mapreduce.wire.messages import JobSpec, Message, TaskError
from services.shell.process_tree import descendants_of
from services.stage.task.forkable import OutsideWatch, traces, why_fresh
from services.stage.task.forks import guard_forks
from services.stage.task.huge_pages import use_huge_pages
from services.stage.workers.channel import EVENT, NO_NONCE, TASK, Frame
from services.stage.workers.children import Child, become
from services.stage.workers.failures import error_of
from services.stage.workers.order import Order

FORK, POLL = b"F", b"P"
_COMMAND = struct.Struct("<ci")
_ANSWER = struct.Struct("<ii")
"""A process and its wait status (-1 while it runs)."""
END_S = 1.0
"""How long a killed process may take to end."""
_PAUSE_S = 0.0005
_RUNNING = -1
_HUGE_PAGES_AFTER = 10
"""Forks after which huge pages pay off: the move takes tens of milliseconds, and memory."""
TaskMain = Callable[[socket.socket, JobClass | None], None]
"""Waits for a task and runs it, with the job's class if it is already imported."""


class Imported(Message):
    """A template's report on the import of its job.

    Attributes:
        error: why the import failed.
        fresh: why the process may not be forked, or "".
    """

    error: TaskError | None = None
    fresh: str = ""


def template_main(
    spec: JobSpec, root: str, packages: str, run: TaskMain
) -> Callable[[socket.socket], None]:
    """Return the main function of a template.

    Args:
        spec: the job.
        root: the folder of its code.
        packages: the folder of its packages, or "".
        run: runs a task, in a process of its own.
    """

    def main(control: socket.socket) -> None:
        unseeded = random.getstate()
        imported, job = _import(spec, root, packages)
        control.sendall(Frame(EVENT, NO_NONCE, imported.model_dump_json().encode()).encoded())
        if imported.error or imported.fresh:
            return
        modules_loaded()  # cached, so that a task's process scans only its own imports
        gc.collect()
        gc.freeze()  # a collection in a task's process would write to, and so copy, every page
        # a fork reseeds the generator, as a new process would; a seed that the job has set is kept
        seeded = random.getstate() if random.getstate() != unseeded else None
        forks = 0
        while (command := _received(control)) is not None:
            _obey(command, control, lambda connection: run(connection, job), seeded)
            forks += command[0] == FORK
            if forks == _HUGE_PAGES_AFTER and command[0] == FORK:
                use_huge_pages()

    return main


def _received(control: socket.socket) -> tuple[bytes, int] | None:
    """Return the worker's next command, or None if it has closed the socket."""
    data = control.recv(_COMMAND.size, socket.MSG_WAITALL)
    if len(data) < _COMMAND.size:
        return None
    kind, pid = _COMMAND.unpack(data)
    return kind, pid


def _obey(
    command: tuple[bytes, int],
    control: socket.socket,
    run: Callable[[socket.socket], None],
    seeded: Any,
) -> None:
    kind, pid = command
    if kind == FORK:
        # made here and not by the worker, so that the fork inherits its end; the worker gets the
        # other
        theirs, ours = socket.socketpair()
        with theirs, ours:
            copy = os.fork()
            if copy == 0:
                if seeded is not None:
                    random.setstate(seeded)
                become(ours, run)
            socket.send_fds(control, [_ANSWER.pack(copy, _RUNNING)], [theirs.fileno()])
        return
    found, status = os.waitpid(pid, os.WNOHANG)
    control.sendall(_ANSWER.pack(pid, status if found else _RUNNING))


def _import(spec: JobSpec, root: str, packages: str) -> tuple[Imported, JobClass | None]:
    guard_forks()
    # a file of the user's current folder is no input, and no task elsewhere would find it
    os.chdir(Path(root).parent.parent)
    if packages:
        hold(Path(packages))  # before the look at what is open: this one is meant
    before, watch = traces(), OutsideWatch()
    try:
        use_packages(Path(packages) if packages else None)
        job = import_job(Path(root), spec.module, spec.name, spec.file)
    except BaseException as exc:  # noqa: BLE001 - a job that ends the process at its import has failed
        return Imported(error=error_of(exc, f"the import of {spec.module}")), None
    finally:
        watch.stop()
    imported = Imported(fresh=why_fresh(before, traces(), watch.seen))
    if not imported.fresh:
        _import_for_tasks(job)
    return imported, job


def _import_for_tasks(job: JobClass) -> None:
    """Import what each task of the job would import for itself.

    DuckDB, which also reads Parquet, takes 0.1 to 0.2 s, and has no thread before it opens a
    database.
    """
    if not issubclass(job, Job):
        return
    if has_columns(job):
        import mapreduce.engine.map_columns  # noqa: F401
    given = job.input_format
    forms = given.values() if isinstance(given, Mapping) else (given,)
    for form in forms:
        if not isinstance(form, InputFormat):
            reader_of(form, LIMITS)
    if has_columns(job) or any(isinstance(form, Parquet) for form in forms):
        from mapreduce.formats.database import open_before_forks

        open_before_forks()


class TemplateLost(TaskLost):
    """The template has ended, and its forks with it."""


class Template:
    """The worker's side of a template. One fork is made ahead of each task, and waits for it.

    Attributes:
        child: the process.
    """

    def __init__(self, child: Child) -> None:
        self.child = child
        self._spare: tuple[int, socket.socket] | None = None
        self._tell(FORK)

    def start(self, order: Order) -> TemplateTask:
        """Run a task in the waiting fork, and have the next one made.

        Raises:
            TemplateLost: the template has ended.
        """
        pid, connection = self._waiting()
        self._spare = None
        with suppress(OSError):  # a fork that has ended sends nothing, which is detected later
            connection.sendall(Frame(TASK, order.nonce, order.for_process()).encoded())
        # only now: the template's fork would take the processor before the task has begun
        self._tell(FORK)
        return TemplateTask(self, pid, connection)

    def status(self, pid: int) -> int | None:
        """Return the wait status of a fork, or None while it runs.

        Raises:
            TemplateLost: the template has ended.
        """
        self._waiting()  # answers come in order: take the one to the fork command first
        self._tell(POLL, pid)
        _, status, _ = self._answer()
        return None if status == _RUNNING else status

    def end(self) -> None:
        """End the template and its forks."""
        if self._spare is not None:
            self._spare[1].close()
        self.child.end()

    def _waiting(self) -> tuple[int, socket.socket]:
        """Return the fork that waits for a task."""
        if self._spare is None:
            pid, _, files = self._answer()
            self._spare = pid, socket.socket(fileno=files[0])
        return self._spare

    def _tell(self, kind: bytes, pid: int = 0) -> None:
        with suppress(OSError):
            self.child.socket.sendall(_COMMAND.pack(kind, pid))

    def _answer(self) -> tuple[int, int, list[int]]:
        try:
            data, files, _, _ = socket.recv_fds(self.child.socket, _ANSWER.size, 1)
        except OSError:
            data, files = b"", []
        if len(data) < _ANSWER.size:
            raise TemplateLost("the process that imported the job has ended")
        pid, status = _ANSWER.unpack(data)
        return pid, status, files


class TemplateTask:
    """A task's process, forked from a template.

    Attributes:
        pid: the process.
        socket: receives its answers.
    """

    def __init__(self, template: Template, pid: int, answers: socket.socket) -> None:
        self._template = template
        self.pid = pid
        self.socket = answers
        self._status: int | None = None

    def poll(self) -> int | None:
        """Return the wait status if the process has ended, else None."""
        if self._status is None:
            self._status = self._template.status(self.pid)
        return self._status

    def wait(self, limit_s: float) -> int | None:
        """Return the wait status, or None if the process still runs after this many seconds."""
        until = time.monotonic() + limit_s
        gone = self.socket.fileno() < 0
        while self.poll() is None and time.monotonic() < until:
            if gone:
                time.sleep(_PAUSE_S)
            else:  # its end of the socket closes when it ends, unless a fork of it holds that open
                gone = bool(select.select([self.socket], [], [], _PAUSE_S)[0])
        return self._status

    def end(self) -> None:
        """Kill the process and its descendants; the template stays."""
        self.socket.close()
        if self.poll() is None:
            for pid in (*descendants_of(self.pid), self.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if self.wait(END_S) is None:
            self._template.end()
