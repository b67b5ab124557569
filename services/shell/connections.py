"""One connection to a service: a caller has so long for a request's head, and is not listened to for ever after.

The server has a time-out for silence between two requests only; a caller that sends its head byte by byte, or goes on
sending a body after it was refused, would hold its connection as long as it likes.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_BYTES = 16 << 10
"""Request line and headers together, at most."""


def patient(patience_s: float) -> type[H11Protocol]:
    """The server's protocol, which ends a connection that has had no whole request for so many seconds."""

    class PatientProtocol(H11Protocol):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._waiting: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            # asyncio does so only for sockets that were made with a protocol number, and the listening one was not:
            # an event would wait for the acknowledgement of the one before, 40 ms
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._unwatch()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.cycle.more_body:  # refused early, and not done with sending
                self._watch()

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

        def _give_up(self) -> None:
            self._waiting = None
            if not self._is_served() and not self.transport.is_closing():
                self.transport.close()

    return PatientProtocol
