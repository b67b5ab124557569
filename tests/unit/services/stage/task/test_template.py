"""What a worker tells the template of its job, over pairs of sockets and without a process."""

from __future__ import annotations

import select
import socket
from typing import Any

import pytest

from mapreduce import Csv, InputFormat, Job, Parquet
from mapreduce.formats import database
from mapreduce.wire.messages import AttemptId
from services.stage.task import template as module
from services.stage.task.template import Template
from services.stage.workers.channel import TASK, FrameBuffer
from services.stage.workers.children import Child
from services.stage.workers.order import Order, OrderHead

NONCE = b"n" * 16
ANSWER = b"\x07\x00\x00\x00\xff\xff\xff\xff"
"""A fork with the pid 7, which runs."""


class _Control(socket.socket):
    """The worker's end of the socket to a template; notes what a task's process has when it sends.

    Attributes:
        process: the other end of that process's socket.
        begun: for each command, whether the task had been sent.
    """

    process: socket.socket
    begun: list[bool]

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Note, and send."""
        self.begun.append(bool(select.select([self.process], [], [], 0)[0]))
        super().sendall(data, flags)


def test_a_task_begins_before_the_next_fork_is_made() -> None:
    """The fork takes a millisecond of the processor, which the task would wait for."""
    ours, template_end = socket.socketpair()
    process, worker_end = socket.socketpair()
    control = _Control(fileno=ours.detach())
    control.process, control.begun = process, []
    with control, template_end, process:
        template = Template(Child(7, control))
        with worker_end:
            socket.send_fds(template_end, [ANSWER], [worker_end.fileno()])
            attempt = AttemptId(stage="map", run="run-1", index=0, attempt="1", nonce=NONCE.hex())
            order = Order(OrderHead(attempt=attempt), b"{}")
            task = template.start(order)
        assert [False, True] == control.begun
        assert b"F\0\0\0\0" * 2 == template_end.recv(100)
        received = FrameBuffer(frozenset((TASK,)))
        received.feed(process.recv(1000))
        frame = received.next(NONCE)
        assert frame is not None
        assert (7, True) == (task.pid, frame.payload.endswith(b"{}"))
        task.socket.close()


class _Own(InputFormat):
    """A format of the author's, whose reader needs the author's instance."""


class _OneInput(Job):
    input_format = Parquet()


class _TwoInputs(Job):
    input_format = {"left": Csv(), "right": Parquet(), "own": _Own()}  # noqa: RUF012


class _Rows(Job):
    input_format = Csv()


class _Columns(_Rows):
    map_sql = "SELECT a AS key, b AS value FROM records"


@pytest.mark.parametrize(
    ("job", "kinds", "opened"),
    [
        (_OneInput, ["parquet"], 1),
        (_TwoInputs, ["csv", "parquet"], 1),
        (_Rows, ["csv"], 0),
        (_Columns, ["csv"], 1),
    ],
)
def test_the_readers_of_a_job_are_imported_once(
    job: type[Job], kinds: list[str], opened: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The template imports the reader of each format, and opens the database where one is needed,
    so that no task does it.
    """
    read: list[str] = []
    databases: list[int] = []
    monkeypatch.setattr(module, "reader_of", lambda form, _limits: read.append(form.kind))
    monkeypatch.setattr(database, "open_before_forks", lambda: databases.append(1))
    module._import_for_tasks(job)
    assert (kinds, opened) == (read, len(databases))
