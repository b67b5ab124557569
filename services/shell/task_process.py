"""The process of one task: carries it out, says how far it is every second, and ends."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
from collections.abc import Callable

from mapreduce.build import this_build
from mapreduce.code import CodeLoader, JobClass
from mapreduce.engine import Meter, TaskContext, run_task
from mapreduce.job import Job
from mapreduce.messages import Done, Failed, JobSpec, Message, Progress, Started, parse_task
from mapreduce.storage import open_storage
from services.shell import faults
from services.shell.channel import EVENT, LAST, Frame
from services.shell.credentials import provider_of
from services.shell.failures import clean, error_of
from services.shell.forks import guard_forks
from services.shell.order import Order
from services.shell.settings import Settings

HEARTBEAT_S = 1.0
STATUS_CHARACTERS = 500
_DESCRIPTOR = 500
"""Where the descriptor of the answers lies, or above: what a job opens, and what it closes or writes to by number, is
far below."""


def task_main(settings: Settings) -> Callable[[Order, socket.socket, JobClass | None], None]:
    """Return what the process of a task does, of a service with these settings."""

    def main(order: Order, connection: socket.socket, imported: JobClass | None = None) -> None:
        guard_forks()
        storage = open_storage(settings.grants, credentials=provider_of(order.head.credentials))
        loader = CodeLoader(storage, settings.store, settings.scratch / "jobs")

        def load(spec: JobSpec) -> Job:
            # what a template has imported is not looked for again: to go through all modules touches, and so copies, memory
            if imported is not None and issubclass(imported, Job) and imported.__name__ == spec.name:
                return imported(**spec.parameters)
            return loader.load(spec)

        context = TaskContext(
            storage=storage,
            scratch=settings.scratch,
            memory_bytes=settings.task_memory_bytes,
            load_job=load,
        )
        _carry_out(order, context, _Answers(order.nonce, connection), chaos=settings.chaos)

    return main


class _Answers:
    """Where a task's events go; only the process that was forked for the task may send any.

    Args:
        nonce: the task's.
        connection: the socket to the worker, which is closed in favour of a copy.
    """

    def __init__(self, nonce: bytes, connection: socket.socket) -> None:
        self._nonce = nonce
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._file = _moved(connection)

    def send(self, kind: bytes, event: Message) -> None:
        """Send one event."""
        if os.getpid() != self._owner:
            os._exit(1)
        left = memoryview(Frame(kind, self._nonce, event.model_dump_json().encode()).encoded())
        try:
            with self._lock:
                while left:
                    left = left[os.write(self._file, left) :]
        except OSError:
            os._exit(1)  # the worker is gone: nobody wants the answer


def _moved(connection: socket.socket) -> int:
    try:
        moved = fcntl.fcntl(connection.fileno(), fcntl.F_DUPFD_CLOEXEC, _DESCRIPTOR)
    except OSError:  # so many are not allowed
        return connection.detach()
    connection.close()
    return moved


def _carry_out(order: Order, context: TaskContext, answers: _Answers, *, chaos: bool) -> None:
    attempt, build = order.head.attempt, this_build()
    answers.send(EVENT, Started(attempt=attempt, worker=os.getpid(), build=build, fresh=order.head.fresh))
    heartbeat = _Heartbeat(order, context.meter, answers)
    last: Message
    try:
        task = parse_task.validate_json(order.body)
        faults.check_allowed(task.fault, allowed=chaos)
        faults.before_task(task.fault, heartbeat.stop)
        result = run_task(task, context)
        faults.after_task(task.fault, result, context.storage)
        last = Done(attempt=attempt, result=result, build=build)
    except BaseException as exc:  # noqa: BLE001 - whatever a task raises is its answer
        last = Failed(attempt=attempt, error=error_of(exc))
    heartbeat.stop()
    answers.send(LAST, last)


class _Heartbeat:
    """Sends the meter every second, from a thread of its own, until stopped."""

    def __init__(self, order: Order, meter: Meter, answers: _Answers) -> None:
        self._stopped = threading.Event()
        self._order = order
        self._thread = threading.Thread(target=self._beat, args=(meter, answers), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _beat(self, meter: Meter, answers: _Answers) -> None:
        attempt = self._order.head.attempt
        while not self._stopped.wait(HEARTBEAT_S):
            status = clean(meter.status())[:STATUS_CHARACTERS]
            answers.send(EVENT, Progress(attempt=attempt, bytes=meter.bytes, records=meter.records, status=status))
