"""Frames between a service, its workers and the processes of their tasks.

A frame is its kind, the nonce of its task, the length of its payload, and the payload. Each task
has a new nonce, so that a frame which another task or a job's code has written is recognised,
whatever its payload says.
"""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass

from mapreduce.errors import TaskLost

READY, TASK, EVENT, LAST, UNCLEAN = b"R", b"T", b"E", b"L", b"U"
"""Kinds of frames: a worker is ready; a task; an event; the last event, after which nothing of the
task is left; the last event, but a process of the task could not be ended."""

NONCE_BYTES = 16
PAYLOAD_LIMIT = 256 << 20
NO_NONCE = bytes(NONCE_BYTES)
_KINDS = frozenset((READY, TASK, EVENT, LAST, UNCLEAN))
_HEAD = struct.Struct(f">c{NONCE_BYTES}sI")


class Foreign(TaskLost):
    """Bytes that are not a frame, or a frame of another nonce."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    Attributes:
        kind: one of the constants of this module.
        nonce: of its task.
        payload: its content.
    """

    kind: bytes
    nonce: bytes
    payload: bytes

    def encoded(self) -> bytes:
        """Return the frame as bytes."""
        return _HEAD.pack(self.kind, self.nonce, len(self.payload)) + self.payload


def new_nonce() -> bytes:
    """Return a nonce for one task."""
    return secrets.token_bytes(NONCE_BYTES)


class FrameBuffer:
    """Cuts a stream of bytes into frames.

    Args:
        kinds: the kinds that are allowed.
    """

    def __init__(self, kinds: frozenset[bytes] = _KINDS) -> None:
        self._kinds = kinds
        self._bytes = bytearray()

    def feed(self, data: bytes) -> None:
        """Append received bytes."""
        self._bytes += data

    @property
    def is_empty(self) -> bool:
        """True if no byte is left."""
        return not self._bytes

    def next(self, nonce: bytes | None) -> Frame | None:
        """Return the next whole frame, or None until more bytes arrive.

        Args:
            nonce: the nonce that the frame must have; None allows any.

        Raises:
            Foreign: the bytes are not a frame of that nonce.
        """
        if not self._bytes:
            return None
        # compare as much of the nonce as has arrived, without waiting for a whole header: foreign
        # bytes may never make up one
        foreign = nonce is not None and self._bytes[1 : 1 + NONCE_BYTES] != nonce[: self._seen()]
        if foreign or bytes(self._bytes[:1]) not in self._kinds:
            raise Foreign(
                "bytes that are not the task's answer were written into the stream of its answers; "
                "does the job write to file descriptors that it has not opened?"
            )
        if len(self._bytes) < _HEAD.size:
            return None
        kind, found, length = _HEAD.unpack_from(self._bytes)
        if length > PAYLOAD_LIMIT:
            raise Foreign(f"an event of {length >> 20} MiB; the limit is {PAYLOAD_LIMIT >> 20} MiB")
        end = _HEAD.size + length
        if len(self._bytes) < end:
            return None
        # a view avoids a second copy of a payload, which may be large
        payload = bytes(memoryview(self._bytes)[_HEAD.size : end])
        del self._bytes[:end]
        return Frame(kind, found, payload)

    def _seen(self) -> int:
        """Return how many bytes of the first frame's nonce have arrived."""
        return min(NONCE_BYTES, max(0, len(self._bytes) - 1))
