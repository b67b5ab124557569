"""Time limits of one connection: for a request's head, for idling, and for an unread answer.

The HTTP server limits only the silence between two requests. A client that sends its head byte by
byte, keeps sending a body after a refusal, or does not read its answer would hold its connection
for ever.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from services.shell.http.admission import Admission, Standing

HEAD_BYTES = 16 << 10
"""The longest request line and headers together."""
SIGNED = "signed"
"""The name in a request's state that marks a valid token."""
SIGNED_PATIENCE = 6
"""Factor on the time for an unread signed answer: the driver's machine may have slept."""
READ_BYTES_PER_SECOND = 1 << 10
"""A client that reads an answer more slowly counts as not reading it."""


class PatientProtocol(H11Protocol):
    """The server's protocol, with the time limits of a service.

    Attributes:
        patience_s: seconds for a whole request, and for a sign that an answer is read.
        admission: learns of each connection.
    """

    patience_s: ClassVar[float]
    admission: ClassVar[Admission]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._known = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        accepted = transport.get_extra_info("socket")
        self.admission.introduce(accepted.fileno(), self)
        if accepted.family != socket.AF_UNIX:
            # asyncio sets it only for sockets created with a protocol number, which the
            # listening one is not; without it an event waits 40 ms for the acknowledgement of
            # the one before
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # pause writing as soon as more than a byte is unsent, so that `pause_writing` starts the
        # clock; with 0, TLS pauses when nothing is unsent, and does not resume
        transport.set_write_buffer_limits(high=1)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        self._stop_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        self._known |= self._is_signed()
        super().on_response_complete()
        # refused before the body has been sent, or an idle client that showed no token
        if self.cycle.more_body or not self._known:
            self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_writing()
        self._await_progress()

    def resume_writing(self) -> None:
        self._stop_writing()
        super().resume_writing()

    # -- the interface for `Admission` ---------------------------------------------------------

    @property
    def standing(self) -> Standing:
        """Whether the client has shown a token."""
        if self._is_served() and self._is_signed():
            return "busy"
        return "known" if self._known else "stranger"

    def drop(self) -> None:
        """Close at once."""
        self.transport.abort()

    # -- limits on receiving a request ---------------------------------------------------------

    def _watch(self) -> None:
        """Start the clock at the first byte; only a whole request stops it, not more bytes."""
        if self._is_served():
            self._unwatch()
        elif self._waiting is None:
            self._waiting = self.loop.call_later(self.patience_s, self._give_up)

    def _unwatch(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _is_served(self) -> bool:
        cycle: Any = self.cycle  # None before the first request, despite its declared type
        return cycle is not None and not cycle.response_complete

    def _is_signed(self) -> bool:
        scope: Any = self.scope  # None before the first request too
        return scope is not None and bool(scope["state"].get(SIGNED))

    def _give_up(self) -> None:
        self._waiting = None
        if not self._is_served() and not self.transport.is_closing():
            self.transport.close()

    # -- limits on sending an answer -----------------------------------------------------------

    def _await_progress(self) -> None:
        limit_s = self.patience_s * (SIGNED_PATIENCE if self._is_signed() else 1)
        unsent = self.transport.get_write_buffer_size()
        self._writing = self.loop.call_later(limit_s, self._check_progress, unsent, limit_s)

    def _check_progress(self, before: int, passed_s: float) -> None:
        if before - self.transport.get_write_buffer_size() < READ_BYTES_PER_SECOND * passed_s:
            self.transport.abort()
        else:
            self._await_progress()

    def _stop_writing(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None


def patient(patience_s: float, admission: Admission) -> type[PatientProtocol]:
    """Return the server's protocol class.

    Args:
        patience_s: seconds for a whole request, and for progress in reading an answer.
        admission: gets each connection's protocol object.
    """

    class Configured(PatientProtocol):
        """The protocol of one service."""

    Configured.patience_s = patience_s
    Configured.admission = admission
    return Configured
