"""A worker: a child process that carries out one task at a time and says how far it is, every second."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable

from mapreduce.code import CodeLoader
from mapreduce.engine import Meter, TaskContext, run_task
from mapreduce.engine.run import task_error
from mapreduce.messages import Done, Failed, Message, Progress, Started, parse_task
from mapreduce.storage import open_storage
from services.shell import faults
from services.shell.settings import Settings

HEARTBEAT_S = 1.0


def worker_main(settings: Settings) -> Callable[[socket.socket], None]:
    """What a worker of a service with these settings does, from its first line to its end."""

    def main(connection: socket.socket) -> None:
        storage = open_storage(settings.grants)
        loader = CodeLoader(storage, settings.store, settings.scratch / "jobs")
        with (
            connection,
            connection.makefile("rb") as tasks,
            connection.makefile("wb", buffering=0) as answers,
        ):
            _say(answers, json.dumps({"ready": os.getpid()}).encode())
            for line in tasks:
                context = TaskContext(
                    storage=storage,
                    scratch=settings.scratch,
                    memory_bytes=settings.task_memory_bytes,
                    load_job=loader.load,
                )
                _carry_out(line, context, answers, chaos=settings.chaos)

    return main


def _carry_out(line: bytes, context: TaskContext, answers: socket.SocketIO, *, chaos: bool) -> None:
    _send(answers, Started(worker=os.getpid()))
    heartbeat = _Heartbeat(context.meter, answers)
    last: Message
    try:
        task = parse_task.validate_json(line)
        faults.check_allowed(task.fault, allowed=chaos)
        faults.before_task(task.fault, heartbeat.stop)
        result = run_task(task, context)
        faults.after_task(task.fault, result, context.storage)
        last = Done(result=result)
    except (Exception, MemoryError) as exc:  # noqa: BLE001 - whatever a task raises is its answer
        last = Failed(error=task_error(exc))
    heartbeat.stop()
    _send(answers, last)


class _Heartbeat:
    """Sends the meter every second, from a thread of its own, until stopped."""

    def __init__(self, meter: Meter, answers: socket.SocketIO) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, args=(meter, answers), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _beat(self, meter: Meter, answers: socket.SocketIO) -> None:
        while not self._stopped.wait(HEARTBEAT_S):
            _send(answers, Progress(bytes=meter.bytes, records=meter.records, status=meter.status()[:500]))


def _send(answers: socket.SocketIO, message: Message) -> None:
    _say(answers, message.model_dump_json().encode())


def _say(answers: socket.SocketIO, line: bytes) -> None:
    left = memoryview(line + b"\n")
    try:
        while left:
            left = left[answers.write(left) :]
    except OSError:
        os._exit(1)  # the service is gone: nobody wants the answer
