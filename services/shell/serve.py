"""Listen, answer and stop: one HTTP server in one process; SIGTERM drains it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any, cast

import structlog
import uvicorn
from fastapi import FastAPI

from mapreduce.system import operating_system
from services.healthcheck import address as health_address
from services.shell.http.admission import HEALTH_CONNECTIONS, Admission, Gate, Limits, file_limit
from services.shell.http.connections import HEAD_BYTES, patient
from services.shell.settings import ServiceSettings

BACKLOG = 1024
"""Connections that the system queues until they are accepted."""
log = structlog.get_logger()


class State:
    """The mutable state of a running service."""

    def __init__(self) -> None:
        self.draining = False
        self.stop: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Work:
    """What a server needs to know of its service's work.

    Attributes:
        busy: returns how much is in progress: a drain ends at zero. None counts the requests.
        slots: how many requests hold their connection for long; they add to the limit.
        each_tick: called ten times a second.
    """

    busy: Callable[[], int] | None = None
    slots: int = 0
    each_tick: Callable[[], None] = lambda: None


def listen(settings: ServiceSettings) -> socket.socket:
    """Return a listening socket at the address that the settings name.

    Raises:
        OSError: the address is not this machine's, or the port is taken.
    """
    return socket.create_server((settings.host, settings.port), backlog=BACKLOG)


def serve(
    app: FastAPI,
    settings: ServiceSettings,
    listening: socket.socket,
    state: State,
    *,
    work: Work | None = None,
    tls: ssl.SSLContext | None = None,
    lifeline: int | None = None,
    **logged: object,
) -> None:
    """Answer requests on a listening socket until a signal stops the server.

    Args:
        app: the service.
        settings: its limits.
        listening: the socket; the health check gets one of its own beside it.
        state: shared with the app, which refuses work while it drains.
        work: what is in progress.
        tls: encrypts what comes over the network.
        lifeline: a pipe's read end; when its other end closes, the process ends at once.
        logged: more words of the line that says that the service listens.
    """
    work = work or Work()
    admission = Admission(Limits.of(work.slots, file_limit()))
    server = DrainingServer(configured(app, settings, admission), state, settings, work, tls)
    state.stop = server.stop_now
    end_with(lifeline)
    address = listening.getsockname()[:2]
    log.info("listening", address=address, tls=tls is not None, **logged)
    listeners = [listening, *health_listeners(address[1])]
    server.run(sockets=[Gate(listener, admission) for listener in listeners])


def end_with(lifeline: int | None) -> None:
    """End this process at once when the other end of a pipe closes; None is no pipe."""
    if lifeline is not None:
        threading.Thread(target=_wait_for_end, args=(lifeline,), daemon=True).start()


def health_listeners(port: int) -> list[socket.socket]:
    """Return the health check's listener, if the system has such sockets and the name is free."""
    if not operating_system.ABSTRACT_SOCKETS:
        return []
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(health_address(port))
    except OSError as exc:
        listening.close()
        log.warning("the health check has no Unix socket, and uses TCP", error=str(exc))
        return []
    listening.listen(HEALTH_CONNECTIONS)
    return [listening]


def configured(app: FastAPI, settings: ServiceSettings, admission: Admission) -> uvicorn.Config:
    """Return uvicorn's configuration of a service."""
    return uvicorn.Config(
        app,
        http=patient(settings.patience_s, admission),
        h11_max_incomplete_event_size=HEAD_BYTES,
        backlog=BACKLOG,
        ws="none",
        proxy_headers=False,
        server_header=False,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=75,
    )


class DrainingServer(uvicorn.Server):
    """A server that drains on SIGTERM: what is in progress gets `drain_s`; a second signal stops
    it.

    Args:
        config: of uvicorn.
        state: shared with the app.
        settings: the limits of time.
        work: what is in progress.
        tls: encrypts what comes over the network; the health check's Unix socket stays plain.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        state: State,
        settings: ServiceSettings,
        work: Work,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(config)
        self._state = state
        self._work = work
        self._drain_s = settings.drain_s
        self._patience_s = settings.patience_s
        self._tls = tls
        self._drained_at = 0.0

    @property
    def busy(self) -> int:
        """How much is in progress."""
        return self._work.busy() if self._work.busy else len(self.server_state.tasks)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; called by uvicorn, which knows one kind of listener only."""
        network = [each for each in sockets or () if self._tls and each.family != socket.AF_UNIX]
        await super().startup(sockets=[each for each in sockets or () if each not in network])
        protocol: Callable[[], asyncio.Protocol] = partial(
            cast(Any, self.config.http_protocol_class),
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        for each in network:
            listening = await asyncio.get_running_loop().create_server(
                protocol,
                sock=each,
                ssl=self._tls,
                backlog=self.config.backlog,
                ssl_handshake_timeout=self._patience_s,
                ssl_shutdown_timeout=self._patience_s,
            )
            self.servers.append(listening)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain, or stop at once; called by uvicorn's signal handler."""
        if self._state.draining or sig == signal.SIGINT:
            self.stop_now()
            return
        self._state.draining = True
        self._drained_at = time.monotonic() + self._drain_s

    def stop_now(self) -> None:
        """Stop without waiting for what is in progress."""
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Check the drain; called by uvicorn ten times a second, True ends the server."""
        self._work.each_tick()
        if self._state.draining and (self.busy == 0 or time.monotonic() > self._drained_at):
            self.should_exit = True
        return await super().on_tick(counter)


def _wait_for_end(lifeline: int) -> None:
    os.read(lifeline, 1)
    os._exit(1)
