"""Start and stop one service: settings, fork server, socket, HTTP server; SIGTERM drains."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from fastapi import FastAPI
from pydantic import SecretStr, ValidationError

from mapreduce.errors import UsageError
from mapreduce.wire.build import this_build
from mapreduce.wire.tokens import check_key
from services.shell.http.admission import Admission, Limits, file_limit
from services.shell.http.encryption import server_context
from services.shell.logs import configure_logs
from services.shell.process_tree import (
    adopt_orphans,
    end_all_strays,
    hide_from_others,
    reap_orphans,
)
from services.shell.serve import State, Work, configured, listen
from services.shell.serve import serve as serve_app
from services.shell.settings import NO_KEY, refuse, refuse_settings
from services.stage.settings import Settings
from services.stage.signing_key import VARIABLE, KeyMissing, read_key, take_descriptor
from services.stage.task.worker import worker_main
from services.stage.workers.fork_server import ForkServer
from services.stage.workers.pool import WorkerPool
from services.stage.workers.warm import warm_engine

END_S = 2.0
"""How long leftover processes of jobs may take to end with the service."""
AppFactory = Callable[[Settings, WorkerPool, State], FastAPI]


def main(create: AppFactory, name: str) -> None:
    """Run a service with the environment's settings until it stops; on a wrong setting print it,
    exit 2.
    """
    try:
        settings = Settings(signing_key=NO_KEY)  # the other fields come from the environment
        key = take_descriptor()
        own_folder(settings.scratch)
    except UsageError as exc:
        refuse("MAPREDUCE_SCRATCH", str(exc))
    except KeyMissing as exc:
        refuse(VARIABLE, str(exc))
    except ValidationError as exc:
        refuse_settings(exc, Settings)
    serve(create, name, settings, listen(settings), key=key)


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
    tls = server_context(settings.signing_key.get_secret_value(), name) if settings.tls else None
    serve_app(
        create(settings, pool, state),
        settings,
        listening,
        state,
        work=Work(busy=lambda: pool.busy, slots=pool.slots, each_tick=reap_orphans),
        tls=tls,
        lifeline=lifeline,
        slots=pool.slots,
        store=settings.store,
    )
    end_all_strays((), END_S)


def _with_key(settings: Settings, key: int) -> Settings:
    """Return the settings with the key that a descriptor holds; on an unusable key print it, exit
    2.
    """
    try:
        return settings.model_copy(update={"signing_key": SecretStr(check_key(read_key(key)))})
    except (KeyMissing, UsageError) as exc:
        refuse(VARIABLE, str(exc))


def preload(create: AppFactory) -> None:
    """Load all that a service and its workers would load at their start, so that forks share it."""
    settings = Settings(store="file:///nowhere", signing_key=NO_KEY)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        pool = WorkerPool(ForkServer(ours), slots=1)
        admission = Admission(Limits.of(1, file_limit()))
        config = configured(create(settings, pool, State()), settings, admission)
        config.load()
        config.get_loop_factory()
    this_build()
    # only the local store: the S3 client starts threads, which do not survive a fork
    import_module("mapreduce.storage.local")
    warm_engine()
