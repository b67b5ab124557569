"""A worker: a process that takes one task at a time and runs each in a process of its own.

It never runs a job's code itself. The tasks of a job are forks of one template, which has imported
the job and run nothing else of it; a job that cannot be forked safely is imported anew by each
task's process. All that a task has started is ended before the worker takes the next task.
"""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from mapreduce.code import CodeLoader
from mapreduce.errors import TaskLost
from mapreduce.packages import use_one_thread
from mapreduce.storage import open_storage
from mapreduce.system import operating_system
from mapreduce.wire.build import this_build
from mapreduce.wire.messages import Failed, JobSpec, Message, Progress, Started, TaskError
from services.shell.process_tree import (
    adopt_orphans,
    cause_of_death,
    children_of,
    end_all_strays,
)
from services.stage.settings import Settings
from services.stage.task.credentials import ContainerCredentials, provider_of
from services.stage.task.task_process import HEARTBEAT_S, task_main
from services.stage.task.template import (
    Imported,
    Template,
    TemplateLost,
    TemplateTask,
    template_main,
)
from services.stage.workers.channel import (
    EVENT,
    LAST,
    NO_NONCE,
    READY,
    TASK,
    UNCLEAN,
    Frame,
    FrameBuffer,
)
from services.stage.workers.children import Child, received
from services.stage.workers.failures import error_of, lost
from services.stage.workers.order import Order

END_S = 2.0
"""Limit for the end of a task's process and of all processes that it has started."""
POLL_S = 0.25


class Unprepared(Exception):
    """The job of a task cannot be fetched or imported.

    Args:
        error: the cause, for the wire.
    """

    def __init__(self, error: TaskError) -> None:
        super().__init__(error.message)
        self.error = error


class Fetched(Message):
    """The result of fetching a job's code: its folder and that of its packages, or the error."""

    root: str = ""
    packages: str = ""
    error: TaskError | None = None


Report = TypeVar("Report", Imported, Fetched)


def worker_main(settings: Settings) -> Callable[[socket.socket], None]:
    """Return the main function of the workers of a service with these settings."""

    def main(connection: socket.socket) -> None:
        with connection:
            Worker(settings, connection).run()

    return main


class Worker:
    """The worker of one slot.

    Args:
        settings: the service's settings.
        service: the socket to the service.
    """

    def __init__(self, settings: Settings, service: socket.socket) -> None:
        self._settings = settings
        self._service = service
        self._task_main = task_main(settings)
        self._credentials = ContainerCredentials()
        self._job: tuple[str, str, str, str] | None = None
        self._template: Template | None = None
        self._fresh = ""

    def run(self) -> None:
        """Run tasks until the service closes the socket."""
        adopt_orphans()
        # NumPy, imported by a job, would start threads, and then each task would import it anew
        use_one_thread()
        self._say(Frame(READY, NO_NONCE, json.dumps({"ready": os.getpid()}).encode()))
        incoming = FrameBuffer(frozenset((TASK,)))
        while data := received(self._service):
            incoming.feed(data)
            while (frame := incoming.next(None)) is not None:
                self._run_task(Order.decoded(frame.payload))

    def _run_task(self, order: Order) -> None:
        """Run a task and send its events.

        Nothing of the task is left when the worker takes the next one, or reports it as done.
        """
        process: Child | TemplateTask | None = None
        try:
            order, process = self._started(order)
            self._say(Frame(EVENT, order.nonce, _started_event(order, process.pid)))
            last = self._passed_on(order, process)
            # the process is about to end by itself and has no children: report first and wait then,
            # which takes the wait out of the task's time
            if self._is_alone(process):
                self._say(Frame(LAST, order.nonce, last))
                if not self._settled(process, END_S):
                    os._exit(1)
                return
        except Unprepared as exc:
            last = _failed(order, exc.error)
        except TaskLost as exc:
            last = _failed(order, lost(str(exc)))
        clean = self._settled(process, 0.0)
        self._say(Frame(LAST if clean else UNCLEAN, order.nonce, last))

    def _started(self, order: Order) -> tuple[Order, Child | TemplateTask]:
        head = order.head.model_copy(update={"credentials": self._credentials.current()})
        if head.job is None:
            return order, self._fork(Order(head, order.body))
        self._prepare(head.job, Order(head, order.body))
        order = Order(head.model_copy(update={"fresh": self._fresh}), order.body)
        run = self._fork if self._template is None else self._template.start
        return order, run(order)

    def _fork(self, order: Order) -> Child:
        """Start a task in a fork that has imported no job."""
        child = Child.fork(lambda connection: self._task_main(connection, None))
        with suppress(OSError):  # a process that has ended sends nothing, which is detected later
            child.socket.sendall(Frame(TASK, order.nonce, order.for_process()).encoded())
        return child

    def _is_alone(self, process: Child | TemplateTask) -> bool:
        """Return whether a task's process has started nothing that still runs."""
        own = {process.pid, *([self._template.child.pid] if self._template else [])}
        return (
            operating_system.finds_orphans()
            and not children_of(process.pid)
            and children_of(os.getpid()) <= own
        )

    def _settled(self, process: Child | TemplateTask | None, patience_s: float) -> bool:
        """End a task's process and all that it has started.

        Args:
            process: the task's process, if there is one.
            patience_s: how long it may take to end by itself.

        Returns:
            False if something still runs after the limit.
        """
        if process is not None:
            with suppress(TemplateLost):
                process.wait(patience_s)
                process.end()
        # a job may have killed its template, and the next task then needs a new one
        if self._template and self._template.child.poll() is not None:
            self._forget_job()
        return end_all_strays([self._template.child.pid] if self._template else [], END_S)

    # -- the events of a task ----------------------------------------------------------------------

    def _passed_on(self, order: Order, process: Child | TemplateTask) -> bytes:
        buffer = FrameBuffer(frozenset((EVENT, LAST)))
        status: int | None = None
        while True:
            ready, _, _ = select.select(
                [process.socket, self._service], [], [], POLL_S if status is None else 0
            )
            if self._service in ready:
                os._exit(1)  # the service closed the socket, or broke the protocol
            if process.socket in ready and (data := received(process.socket)):
                buffer.feed(data)
                while (frame := buffer.next(order.nonce)) is not None:
                    if frame.kind == LAST:
                        return frame.payload
                    self._say(frame)
            elif process.socket in ready:
                status = process.wait(END_S)
                return _failed(order, lost(f"the task's process {_how_it_ended(status)}"))
            elif status is not None:  # it has ended, and a fork of it holds its socket open
                return _failed(order, lost(f"the task's process {_how_it_ended(status)}"))
            else:
                status = process.poll()

    # -- the job of a task -------------------------------------------------------------------------

    def _prepare(self, spec: JobSpec, order: Order) -> None:
        """Import the job in a template, or learn that each task must import it; end the previous
        template.

        Raises:
            Unprepared: the job's code cannot be fetched or imported.
        """
        wanted = (spec.code, spec.packages, spec.module, spec.name)
        if self._job == wanted:
            return
        self._forget_job()
        fetched = self._fetched(spec, order)
        child = Child.fork(template_main(spec, fetched.root, fetched.packages, self._task_main))
        imported = self._report(child, Imported, "imports the job", order)
        if imported.fresh:
            child.end()
            end_all_strays((), END_S)
        else:
            self._template = Template(child)
        self._job, self._fresh = wanted, imported.fresh

    def _fetched(self, spec: JobSpec, order: Order) -> Fetched:
        """Return the folders of a job's code and packages, fetched by a separate process."""

        def fetch(connection: socket.socket) -> None:
            try:
                storage = open_storage(
                    self._settings.grants, credentials=provider_of(order.head.credentials)
                )
                loader = CodeLoader(storage, self._settings.store, self._settings.scratch / "jobs")
                root, packages = loader.fetch(spec), loader.fetch_packages(spec)
                fetched = Fetched(root=str(root), packages=str(packages or ""))
            except Exception as exc:  # noqa: BLE001 - any error becomes the task's answer
                fetched = Fetched(error=error_of(exc))
            connection.sendall(Frame(EVENT, NO_NONCE, fetched.model_dump_json().encode()).encoded())

        # a separate process, because the store's client starts threads, which do not survive a
        # later fork
        child = Child.fork(fetch)
        fetched = self._report(child, Fetched, "fetches the job's code", order)
        child.wait(END_S)
        child.end()
        return fetched

    def _report(self, child: Child, model: type[Report], does: str, order: Order) -> Report:
        """Return what a child that prepares a task reports; heartbeats are sent meanwhile.

        Raises:
            Unprepared: the child reports an error, or ends without a report; then it is ended.
        """
        said = child.reply(NO_NONCE, self._beat(order), HEARTBEAT_S)
        report = model.model_validate_json(said) if said is not None else None
        if report is not None and report.error is None:
            return report
        status = child.wait(END_S)
        child.end()
        error = report.error if report else None
        raise Unprepared(error or lost(f"the process that {does} {_how_it_ended(status)}"))

    def _forget_job(self) -> None:
        if self._template is not None:
            self._template.end()
        self._template, self._job, self._fresh = None, None, ""

    # -- sending -----------------------------------------------------------------------------------

    def _beat(self, order: Order) -> Callable[[], None]:
        """Return a function that sends a heartbeat while the job is imported, before the task has
        begun.
        """

        def beat() -> None:
            event = Progress(
                attempt=order.head.attempt, bytes=0, records=0, status="importing the job"
            )
            self._say(Frame(EVENT, order.nonce, event.model_dump_json().encode()))

        return beat

    def _say(self, frame: Frame) -> None:
        try:
            self._service.sendall(frame.encoded())
        except OSError:
            os._exit(1)  # the service closed the socket: the answer has no receiver


def _started_event(order: Order, pid: int) -> bytes:
    event = Started(
        attempt=order.head.attempt, worker=pid, build=this_build(), fresh=order.head.fresh
    )
    return event.model_dump_json().encode()


def _failed(order: Order, error: TaskError) -> bytes:
    return Failed(attempt=order.head.attempt, error=error).model_dump_json().encode()


def _how_it_ended(status: int | None) -> str:
    return cause_of_death(status) if status is not None else "has closed the stream of its answers"
