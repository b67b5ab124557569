"""What a worker is given with a task: whose it is, which job it needs, and the message itself."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any

from mapreduce.wire.messages import AttemptId, JobSpec, MapTask, Message, ReduceTask, SplitTask

_LENGTH = struct.Struct(">I")


class OrderHead(Message):
    """What must be known of a task before its message is read.

    Attributes:
        attempt: names the attempt in each of its events.
        job: the job whose code the task runs, if it runs any.
        fresh: why the task has a process that imports the job anew, if it has.
        credentials: of the object store, where the worker has them.
    """

    attempt: AttemptId
    job: JobSpec | None = None
    fresh: str = ""
    credentials: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A task for a worker.

    Attributes:
        head: what it is.
        body: the task's message, as JSON.
    """

    head: OrderHead
    body: bytes

    @classmethod
    def of(cls, task: SplitTask | MapTask | ReduceTask, nonce: bytes) -> Order:
        """Return the order for a task."""
        return cls(
            OrderHead(attempt=AttemptId.of(task, nonce.hex()), job=task.job),
            task.model_dump_json().encode(),
        )

    @property
    def nonce(self) -> bytes:
        """The nonce that all frames of the task have."""
        return bytes.fromhex(self.head.attempt.nonce)

    def encoded(self) -> bytes:
        """Return the order as bytes."""
        head = self.head.model_dump_json().encode()
        return _LENGTH.pack(len(head)) + head + self.body

    def for_process(self) -> bytes:
        """Return what the task's own process needs of it, as bytes that `received_order` takes apart."""
        credentials = (
            b"" if self.head.credentials is None else json.dumps(self.head.credentials).encode()
        )
        return _LENGTH.pack(len(credentials)) + credentials + self.body

    @classmethod
    def decoded(cls, data: bytes) -> Order:
        """Return the order that was encoded."""
        (length,) = _LENGTH.unpack_from(data)
        end = _LENGTH.size + length
        return cls(OrderHead.model_validate_json(data[_LENGTH.size : end]), data[end:])


def received_order(data: bytes) -> tuple[dict[str, Any] | None, bytes]:
    """Return the credentials and the message of a task, of what `Order.for_process` has made.

    Only the message is parsed in a task's process: each object that is touched there costs a copy of its page.
    """
    (length,) = _LENGTH.unpack_from(data)
    end = _LENGTH.size + length
    return json.loads(data[_LENGTH.size : end]) if length else None, data[end:]
