"""The process of one task: run the task, send a heartbeat every second, and end."""

from __future__ import annotations

import _thread
import fcntl
import os
import socket
from collections.abc import Callable

from mapreduce.code import CodeLoader, JobClass, modules_loaded
from mapreduce.engine import Meter, TaskContext, run_task
from mapreduce.job import Job
from mapreduce.storage import open_storage
from mapreduce.wire.build import this_build
from mapreduce.wire.messages import AttemptId, Done, Failed, JobSpec, Message, Progress, parse_task
from services.stage.settings import Settings
from services.stage.task import fault_injection as faults
from services.stage.task.credentials import provider_of
from services.stage.task.forks import guard_forks
from services.stage.workers.channel import EVENT, LAST, TASK, Frame, FrameBuffer
from services.stage.workers.children import received
from services.stage.workers.failures import clean, error_of
from services.stage.workers.order import received_order
from services.stage.workers.prints import flush_prints

HEARTBEAT_S = 1.0
STATUS_CHARACTERS = 500
_DESCRIPTOR = 500
"""The lowest descriptor for answers.

Those that a job opens, or closes or writes to by number, are far below it.
"""


def task_main(settings: Settings) -> Callable[[socket.socket, JobClass | None], None]:
    """Return the main function of a task's process: it waits for its task, runs it, and ends."""
    memory_bytes, grants, jobs = (
        settings.task_memory_bytes,
        settings.grants,
        settings.scratch / "jobs",
    )

    def main(connection: socket.socket, imported: JobClass | None = None) -> None:
        guard_forks()
        frame = _frame(connection)
        if frame is None:
            return
        credentials, message = received_order(frame.payload)
        storage = open_storage(grants, credentials=provider_of(credentials))

        def load(spec: JobSpec) -> Job:
            # use the class that the template has imported: a search through the modules would copy
            # their memory
            if (
                imported is not None
                and issubclass(imported, Job)
                and imported.__name__ == spec.name
            ):
                return imported(**spec.parameters)
            # the worker has just fetched and proven what the job needs
            return CodeLoader(storage, settings.store, jobs, proven=True).load(spec)

        context = TaskContext(
            storage, settings.scratch, memory_bytes, load, imported=modules_loaded
        )
        _run_and_answer(message, context, _Answers(frame.nonce, connection), chaos=settings.chaos)

    return main


def _frame(connection: socket.socket) -> Frame | None:
    """Return the task's frame, or None if the worker closes the socket without one."""
    incoming = FrameBuffer(frozenset((TASK,)))
    while data := received(connection):
        incoming.feed(data)
        if (frame := incoming.next(None)) is not None:
            return frame
    return None


class _Answers:
    """Sends a task's events; only the process that was forked for the task may send any.

    Args:
        nonce: the task's nonce.
        connection: the socket to the worker, replaced by a duplicate with a high number.
    """

    def __init__(self, nonce: bytes, connection: socket.socket) -> None:
        self.nonce = nonce
        self._owner = os.getpid()
        self._lock = _thread.allocate_lock()
        self._file: int | None = _moved(connection)

    def send(self, kind: bytes, event: Message) -> None:
        """Send one event; after the last one, none."""
        # a fork by the job's code inherits this object; its events would break the stream
        if os.getpid() != self._owner:
            os._exit(1)
        left = memoryview(Frame(kind, self.nonce, event.model_dump_json().encode()).encoded())
        try:
            with self._lock:
                while left and self._file is not None:
                    left = left[os.write(self._file, left) :]
                if kind == LAST:
                    self._file = None
        except OSError:
            os._exit(1)  # the worker closed the socket: the answer has no receiver


def _moved(connection: socket.socket) -> int:
    try:
        moved = fcntl.fcntl(connection.fileno(), fcntl.F_DUPFD_CLOEXEC, _DESCRIPTOR)
    except OSError:  # the limit on descriptors is below that number
        return connection.detach()
    connection.close()
    return moved


def _run_and_answer(
    message: bytes, context: TaskContext, answers: _Answers, *, chaos: bool
) -> None:
    task = parse_task.validate_json(message)
    attempt, build = AttemptId.of(task, answers.nonce.hex()), this_build()
    heartbeat = _Heartbeat(attempt, context.meter, answers)
    last: Message
    try:
        faults.check_allowed(task.fault, allowed=chaos)
        faults.before_task(task.fault, heartbeat.stop)
        result = run_task(task, context)
        faults.after_task(task.fault, result, context.storage)
        last = Done(attempt=attempt, result=result, build=build)
    except BaseException as exc:  # noqa: BLE001 - any error becomes the task's answer
        last = Failed(attempt=attempt, error=error_of(exc))
    flush_prints()  # before the answer, which ends the task's output
    answers.send(LAST, last)  # the heartbeat's thread ends with the process


class _Heartbeat:
    """Sends the meter every second, from its own thread, until stopped.

    It uses `_thread`, because the bookkeeping of `threading` costs a small task as much as the
    thread itself.
    """

    def __init__(self, attempt: AttemptId, meter: Meter, answers: _Answers) -> None:
        self._stopped = _thread.allocate_lock()
        self._stopped.acquire()
        _thread.start_new_thread(self._beat, (attempt, meter, answers))

    def stop(self) -> None:
        self._stopped.release()

    def _beat(self, attempt: AttemptId, meter: Meter, answers: _Answers) -> None:
        while not self._stopped.acquire(timeout=HEARTBEAT_S):
            status = clean(meter.status())[:STATUS_CHARACTERS]
            answers.send(
                EVENT,
                Progress(attempt=attempt, bytes=meter.bytes, records=meter.records, status=status),
            )
