"""A task as a worker receives it: its attempt, its job, and the message itself."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any

from mapreduce.wire.messages import AttemptId, JobSpec, MapTask, Message, ReduceTask, SplitTask

_LENGTH = struct.Struct(">I")


class OrderHead(Message):
    """What the worker must know before it parses the message.

    Attributes:
        attempt: names the attempt in each of its events.
        job: the job whose code the task runs, if any.
        fresh: why the task's process imports the job anew, or "".
        credentials: of the object store, if the worker has them.
    """

    attempt: AttemptId
    job: JobSpec | None = None
    fresh: str = ""
    credentials: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A task for a worker.

    Attributes:
        head: its description.
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
        """The nonce in all frames of the task."""
        return bytes.fromhex(self.head.attempt.nonce)

    def encoded(self) -> bytes:
        """Return the order as bytes."""
        head = self.head.model_dump_json().encode()
        return _LENGTH.pack(len(head)) + head + self.body

    def for_process(self) -> bytes:
        """Return the bytes for the task's process, which `received_order` decodes."""
        known = self.head.credentials
        credentials = b"" if known is None else json.dumps(known).encode()
        return _LENGTH.pack(len(credentials)) + credentials + self.body

    @classmethod
    def decoded(cls, data: bytes) -> Order:
        """Return the order that `encoded` encoded."""
        (length,) = _LENGTH.unpack_from(data)
        end = _LENGTH.size + length
        return cls(OrderHead.model_validate_json(data[_LENGTH.size : end]), data[end:])


def received_order(data: bytes) -> tuple[dict[str, Any] | None, bytes]:
    """Return the credentials and the message that `Order.for_process` encoded.

    A task's process parses only the message: each object that it touches costs a copy of a memory
    page.
    """
    (length,) = _LENGTH.unpack_from(data)
    end = _LENGTH.size + length
    return json.loads(data[_LENGTH.size : end]) if length else None, data[end:]
