"""One connection to a service: time limits for a request's head, for idling, and for an answer that is not read.

The server itself has a time limit for silence between two requests only. A caller that sends its head byte by byte,
goes on sending a body after a refusal, or does not read its answer would hold its connection without end.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from services.shell.http.admission import Admission, Standing

HEAD_BYTES = 16 << 10
"""Request line and headers together, at most."""
SIGNED = "signed"
"""The name in a request's state that says that its token was good."""
SIGNED_PATIENCE = 6
"""How many times as long an answer to a signed request may lie unread: the driver's machine may have slept."""
READ_BYTES_PER_SECOND = 1 << 10
"""Slower readers of an answer count as not reading it."""


def patient(patience_s: float, admission: Admission) -> type[H11Protocol]:
    """Return the server's protocol.

    Args:
        patience_s: seconds for a whole request, and for a sign that an answer is read.
        admission: is told of each connection.
    """

    class PatientProtocol(H11Protocol):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._waiting: asyncio.TimerHandle | None = None
            self._writing: asyncio.TimerHandle | None = None
            self._known = False

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            accepted = transport.get_extra_info("socket")
            admission.introduce(accepted.fileno(), self)
            if accepted.family != socket.AF_UNIX:
                # asyncio does so only for sockets that were made with a protocol number, and the listening one was
                # not: an event would wait for the acknowledgement of the one before, 40 ms
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport.set_write_buffer_limits(
                high=0
            )  # so that writing is paused as soon as anything is unsent
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
            if (
                self.cycle.more_body or not self._known
            ):  # refused early and not done with sending, or idle
                self._watch()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._stop_writing()
            self._await_progress()

        def resume_writing(self) -> None:
            self._stop_writing()
            super().resume_writing()

        # -- what the admission asks ----------------------------------------------------------------------------------

        @property
        def standing(self) -> Standing:
            """Whether the caller has shown a token."""
            if self._is_served() and self._is_signed():
                return "busy"
            return "known" if self._known else "stranger"

        def drop(self) -> None:
            """Close at once."""
            self.transport.abort()

        # -- a whole request ------------------------------------------------------------------------------------------

        def _watch(self) -> None:
            """From its first byte on until there is a request, the time runs, whatever else comes."""
            if self._is_served():
                self._unwatch()
            elif self._waiting is None:
                self._waiting = self.loop.call_later(patience_s, self._give_up)

        def _unwatch(self) -> None:
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None

        def _is_served(self) -> bool:
            cycle: Any = self.cycle  # None before the first request, whatever its type says
            return cycle is not None and not cycle.response_complete

        def _is_signed(self) -> bool:
            scope: Any = self.scope  # likewise
            return scope is not None and bool(scope["state"].get(SIGNED))

        def _give_up(self) -> None:
            self._waiting = None
            if not self._is_served() and not self.transport.is_closing():
                self.transport.close()

        # -- an answer that is read -----------------------------------------------------------------------------------

        def _await_progress(self) -> None:
            limit_s = patience_s * (SIGNED_PATIENCE if self._is_signed() else 1)
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

    return PatientProtocol
