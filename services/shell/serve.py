"""Start and stop one service: settings, fork server, socket, HTTP server; SIGTERM drains."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, cast

import structlog
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from mapreduce.errors import UsageError
from mapreduce.system import operating_system
from mapreduce.wire.build import this_build
from mapreduce.wire.tokens import check_key
from services.healthcheck import address as health_address
from services.shell.app import State
from services.shell.http.admission import HEALTH_CONNECTIONS, Admission, Gate, Limits, file_limit
from services.shell.http.connections import HEAD_BYTES, patient
from services.shell.http.encryption import server_context
from services.shell.logs import configure_logs
from services.shell.settings import NO_KEY, Settings
from services.shell.signing_key import VARIABLE, KeyMissing, read_key, take_descriptor
from services.shell.task.worker import worker_main
from services.shell.workers.fork_server import ForkServer
from services.shell.workers.pool import WorkerPool
from services.shell.workers.process_tree import (
    adopt_orphans,
    end_all_strays,
    hide_from_others,
    reap_orphans,
)
from services.shell.workers.warm import warm_engine

BACKLOG = 1024
"""Connections that the system queues until they are accepted."""
END_S = 2.0
"""How long leftover processes of jobs may take to end with the service."""
AppFactory = Callable[[Settings, WorkerPool, State], FastAPI]
log = structlog.get_logger()


def main(create: AppFactory, name: str) -> None:
    """Run a service with the environment's settings until it stops; on a wrong setting print it,
    exit 2.
    """
    try:
        settings = Settings(signing_key=NO_KEY)  # the other fields come from the environment
        key = take_descriptor()
        own_folder(settings.scratch)
    except UsageError as exc:
        _refuse("MAPREDUCE_SCRATCH", str(exc))
    except KeyMissing as exc:
        _refuse(VARIABLE, str(exc))
    except ValidationError as exc:
        _refuse_settings(exc)
    listening = socket.create_server((settings.host, settings.port), backlog=BACKLOG)
    serve(create, name, settings, listening, key=key)


def _refuse_settings(exc: ValidationError) -> NoReturn:
    errors = exc.errors(include_url=False, include_input=False)
    for error in errors[:-1]:
        print(_in_words(error), file=sys.stderr)  # noqa: T201 - before there are logs
    _refuse(*_in_words(errors[-1]).split(": ", 1))


def _in_words(error: ErrorDetails) -> str:
    variable = "_".join(["MAPREDUCE", *(str(part).upper() for part in error["loc"])])
    return f"{variable}: {error['msg']}"


def _refuse(variable: str, message: str) -> NoReturn:
    print(f"{variable}: {message}", file=sys.stderr)  # noqa: T201 - before there are logs
    sys.exit(2)


def own_folder(folder: Path) -> None:
    """Create a folder for this user alone.

    Raises:
        UsageError: another user may write to it, and so could plant a job's code.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if {found.st_uid, folder.lstat().st_uid} != {os.geteuid()} or found.st_mode & 0o022:
        raise UsageError(
            f"other users may write to {folder}, where jobs' code is unpacked; "
            f"set a folder that only this user can write to"
        )


def serve(
    create: AppFactory,
    name: str,
    settings: Settings,
    listening: socket.socket,
    lifeline: int | None = None,
    key: int | None = None,
) -> None:
    """Run a service on a listening socket.

    Args:
        create: creates the app.
        name: the service's name in its logs.
        settings: its settings.
        listening: the socket.
        lifeline: a pipe's read end; when its other end closes, the service ends at once.
        key: a descriptor with the signing key, if the settings do not contain it.
    """
    this_build()  # cached before the forks, so that no worker computes it again
    warm_engine()
    adopt_orphans()
    if key is not None:
        hide_from_others()  # before the fork, so that a task cannot look into another task either
    # forked before the key is read and before any thread exists
    fork_server = ForkServer.fork(worker_main(settings.model_copy(update={"signing_key": NO_KEY})))
    if key is not None:
        settings = _with_key(settings, key)
    configure_logs(settings.log_level, name)
    state = State()
    pool = WorkerPool(fork_server, settings.slot_count)
    admission = Admission(Limits.of(pool.slots, file_limit()))
    config = _configured(create, settings, pool, state, admission)
    tls = server_context(settings.signing_key.get_secret_value(), name) if settings.tls else None
    server = _DrainingServer(config, state, pool, settings, tls)
    state.stop = server.stop_now
    if lifeline is not None:
        threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    address = listening.getsockname()[:2]
    log.info(
        "listening",
        address=address,
        slots=pool.slots,
        store=settings.store,
        tls=settings.tls,
    )
    listeners = [listening, *_health_listeners(address[1])]
    server.run(sockets=[Gate(listener, admission) for listener in listeners])
    end_all_strays((), END_S)


def _with_key(settings: Settings, key: int) -> Settings:
    """Return the settings with the key that a descriptor holds; on an unusable key print it, exit
    2.
    """
    try:
        return settings.model_copy(update={"signing_key": SecretStr(check_key(read_key(key)))})
    except (KeyMissing, UsageError) as exc:
        _refuse(VARIABLE, str(exc))


def _health_listeners(port: int) -> list[socket.socket]:
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


def preload(create: AppFactory) -> None:
    """Load all that a service and its workers would load at their start, so that forks share it."""
    settings = Settings(store="file:///nowhere", signing_key=NO_KEY)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        admission = Admission(Limits.of(1, file_limit()))
        config = _configured(
            create, settings, WorkerPool(ForkServer(ours), slots=1), State(), admission
        )
        config.load()
        config.get_loop_factory()
    this_build()
    # only the local store: the S3 client starts threads, which do not survive a fork
    import_module("mapreduce.storage.local")
    warm_engine()


def _configured(
    create: AppFactory, settings: Settings, pool: WorkerPool, state: State, admission: Admission
) -> uvicorn.Config:
    return uvicorn.Config(
        create(settings, pool, state),
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


class _DrainingServer(uvicorn.Server):
    """A server that drains on SIGTERM: new tasks get 503, running ones `drain_s`; a second signal
    stops it.

    Args:
        config: of uvicorn.
        state: shared with the app.
        pool: the workers.
        settings: the limits of time.
        tls: encrypts what comes over the network; the health check's Unix socket stays plain.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        state: State,
        pool: WorkerPool,
        settings: Settings,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(config)
        self._state = state
        self._pool = pool
        self._drain_s = settings.drain_s
        self._patience_s = settings.patience_s
        self._tls = tls
        self._drained_at = 0.0

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
        """Stop without waiting for tasks."""
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Reap orphans and check the drain; called by uvicorn ten times a second, True ends the
        server.
        """
        reap_orphans()
        if self._state.draining and (self._pool.busy == 0 or time.monotonic() > self._drained_at):
            self.should_exit = True
        return await super().on_tick(counter)


def _end_with(lifeline: int) -> None:
    os.read(lifeline, 1)
    os._exit(1)
