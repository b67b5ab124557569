"""Starts and stops one service: settings, nursery, socket, server; SIGTERM drains."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr, ValidationError

from mapreduce.build import HASH_SEED, this_build
from mapreduce.errors import UsageError
from mapreduce.tokens import KEY_BYTES
from services.shell.app import State
from services.shell.connections import HEAD_BYTES, patient
from services.shell.logs import configure_logs
from services.shell.nursery import Nursery
from services.shell.pool import WorkerPool
from services.shell.processes import adopt_orphans, end_all_strays, reap_orphans
from services.shell.settings import Settings
from services.shell.warm import warm_engine
from services.shell.worker import worker_main

CONNECTIONS = 256
"""Connections besides those of the running tasks; a caller beyond them is told to come again."""
HASH_VARIABLE = "PYTHONHASHSEED"
END_S = 2.0
"""How long what is left of jobs may take to end with the service."""
AppFactory = Callable[[Settings, WorkerPool, State], FastAPI]
log = structlog.get_logger()


def main(create: AppFactory, name: str) -> None:
    """Runs a service with the environment's settings until it is told to stop; a wrong setting is a line, exit 2."""
    _have_the_common_hash_seed()
    try:
        settings = Settings()  # the fields come from the environment
        own_folder(settings.scratch)
    except UsageError as exc:
        print(f"MAPREDUCE_SCRATCH: {exc}", file=sys.stderr)  # noqa: T201 - before there are logs
        sys.exit(2)
    except ValidationError as exc:
        for error in exc.errors(include_url=False, include_input=False):
            variable = "_".join(["MAPREDUCE", *(str(part).upper() for part in error["loc"])])
            print(f"{variable}: {error['msg']}", file=sys.stderr)  # noqa: T201 - before there are logs
        sys.exit(2)
    # what a job starts or prints has no business with it; the workers do not need it either
    os.environ.pop("MAPREDUCE_SIGNING_KEY", None)
    listening = socket.create_server((settings.host, settings.port))
    serve(create, name, settings, listening)


def _have_the_common_hash_seed() -> None:
    """Start this program anew when its hash seed is another: all processes that run a job's code must share one."""
    if os.environ.get(HASH_VARIABLE) != HASH_SEED:
        os.environ[HASH_VARIABLE] = HASH_SEED
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def own_folder(folder: Path) -> None:
    """Makes a folder for this user alone; raises `UsageError` when another one could put a job's code there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if {found.st_uid, folder.lstat().st_uid} != {os.geteuid()} or found.st_mode & 0o022:
        raise UsageError(f"others may write to {folder}, where jobs' code is unpacked; name a folder of your own")


def serve(
    create: AppFactory, name: str, settings: Settings, listening: socket.socket, lifeline: int | None = None
) -> None:
    """Runs a service on a listening socket.

    Args:
        create: makes the app.
        name: the service's, for its logs.
        settings: its settings.
        listening: the socket.
        lifeline: a pipe's read end; when its other end is gone, the service ends at once.
    """
    this_build()  # once, before the forks
    warm_engine()
    adopt_orphans()
    nursery = Nursery.fork(worker_main(settings))
    configure_logs(settings.log_level, name)
    state = State()
    pool = WorkerPool(nursery, settings.slot_count)
    config = _configured(create, settings, pool, state)
    server = _DrainingServer(config, state, pool, settings.drain_s)
    state.stop = server.stop_now
    if lifeline is not None:
        threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    log.info("listening", address=listening.getsockname()[:2], slots=pool.slots, store=settings.store)
    server.run(sockets=[listening])
    end_all_strays((), END_S)


def preload(create: AppFactory) -> None:
    """Loads what a service and its workers would load when they begin; before a fork, it is there in all of them."""
    settings = Settings(store="file:///nowhere", signing_key=SecretStr("0" * KEY_BYTES))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        config = _configured(create, settings, WorkerPool(Nursery(ours), slots=1), State())
        config.load()
        config.get_loop_factory()
    this_build()
    import_module("mapreduce.storage.local")  # the store's client for S3 must not be touched before a fork
    warm_engine()


def _configured(create: AppFactory, settings: Settings, pool: WorkerPool, state: State) -> uvicorn.Config:
    return uvicorn.Config(
        create(settings, pool, state),
        http=patient(settings.patience_s),
        h11_max_incomplete_event_size=HEAD_BYTES,
        limit_concurrency=CONNECTIONS + pool.slots,
        ws="none",
        proxy_headers=False,
        server_header=False,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=75,
    )


class _DrainingServer(uvicorn.Server):
    """On SIGTERM: refuse new tasks (503), give the running ones `drain_s`, then stop. A second signal stops now."""

    def __init__(self, config: uvicorn.Config, state: State, pool: WorkerPool, drain_s: float) -> None:
        super().__init__(config)
        self._state = state
        self._pool = pool
        self._drain_s = drain_s
        self._drained_at = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by uvicorn's signal handler."""
        if self._state.draining or sig == signal.SIGINT:
            self.stop_now()
            return
        self._state.draining = True
        self._drained_at = time.monotonic() + self._drain_s

    def stop_now(self) -> None:
        """Stops without waiting for tasks."""
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn ten times a second; True ends the server."""
        reap_orphans()
        if self._state.draining and (self._pool.busy == 0 or time.monotonic() > self._drained_at):
            self.should_exit = True
        return await super().on_tick(counter)


def _end_with(lifeline: int) -> None:
    os.read(lifeline, 1)
    os._exit(1)
