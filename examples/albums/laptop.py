"""The album service on one machine: some tasks as processes, which end with this one."""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from examples.albums.service import run
from examples.albums.settings import AlbumSettings
from mapreduce.errors import UsageError
from services.shell.serve import listen
from services.shell.settings import settings_or_exit
from services.shell.supervisor import Member, Supervisor

MOST_TASKS = 50


def run_tasks(tasks: int, port: int, store: Path | None) -> None:
    """Run tasks until Ctrl-C or SIGTERM; a task that dies is started again.

    Args:
        tasks: how many.
        port: of the first; the others have the numbers after it. 0: any free ones.
        store: the folder of the added albums; None: a new one, which is deleted at the end.

    Raises:
        UsageError: a port is taken, or the folder cannot be used.
    """
    if not 1 <= tasks <= MOST_TASKS:
        raise UsageError(f"--tasks {tasks}: run 1 to {MOST_TASKS} tasks on one machine")
    if port and not 1 <= port <= 65536 - tasks:
        raise UsageError(f"--port {port}: choose 1 to {65536 - tasks}, or 0 for any free ones")
    folder = store or Path(tempfile.mkdtemp(prefix="albums-"))
    try:
        _prepare(folder)
        settings = settings_or_exit(
            AlbumSettings, store=f"file://{folder.resolve()}", log_level="WARNING"
        )
        with ExitStack() as opened:
            sockets = [
                opened.enter_context(_listening(settings, port + number if port else 0))
                for number in range(tasks)
            ]
            for each in sockets:
                _say(f"http://127.0.0.1:{each.getsockname()[1]}/albums")
            until = "" if store else " until the end"
            _say(f"added albums are in {folder}{until}; Ctrl-C ends")
            # the sockets stay open here, so a request waits while its task is started again
            members = [
                Member(f"albums-{number}", (each.fileno(),), partial(run, settings, each))
                for number, each in enumerate(sockets)
            ]
            Supervisor(members, until=None).run()
    finally:
        if store is None:
            shutil.rmtree(folder, ignore_errors=True)


def _listening(settings: AlbumSettings, port: int) -> socket.socket:
    try:
        return listen(settings.model_copy(update={"port": port}))
    except OSError as exc:
        raise UsageError(
            f"port {port} of {settings.host} cannot be used ({exc}); choose others with --port, "
            "or --port 0 for any free ones"
        ) from exc


def _prepare(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise UsageError(f"{folder} cannot be used as a store: {exc.strerror}") from exc


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
