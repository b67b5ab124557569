"""The services of one local run, as processes on loopback, forked from one that has imported
everything.

The driver starts this before it knows the services, with a socket as standard input. Over it the
driver sends the log, the listening sockets and one JSON line, and then keeps it open: when it
closes, however the driver ended, every service ends. A service that dies is restarted on its
socket.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict

from services.quick_imports import quick_imports

if TYPE_CHECKING:
    from services.shell.supervisor import Member
    from services.stage.serve import AppFactory

COLUMNS = "--columns"
"""`driver.targets.prefork.COLUMNS`, which this package may not import; a test compares them."""
MOST_FILES = 253
"""The most file descriptors in one message, on Linux."""


class ServiceSpec(BaseModel):
    """One service: its role, the index of its listening socket, its slots."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["splitter", "mapper", "reducer"]
    socket: int
    slots: int


class FleetSpec(BaseModel):
    """All services, and the settings that they share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    services: tuple[ServiceSpec, ...]
    settings: dict[str, Any]


def members(
    spec: FleetSpec, apps: Mapping[str, AppFactory], sockets: Sequence[int]
) -> list[Member]:
    """Return the processes of a fleet.

    Args:
        spec: the services.
        apps: creates the app of each role.
        sockets: the file descriptors of the listening sockets.
    """
    from services.shell.supervisor import Member

    return [
        Member(
            service.role,
            (sockets[service.socket],),
            partial(serve_one, service, spec, apps[service.role], sockets[service.socket]),
        )
        for service in spec.services
    ]


def serve_one(
    service: ServiceSpec, spec: FleetSpec, app: AppFactory, listening: int, lifeline: int
) -> None:
    """Be one service of the fleet, in a process of its own."""
    from services.stage.serve import serve
    from services.stage.settings import Settings

    settings = Settings(**spec.settings, slots=service.slots)
    serve(app, service.role, settings, socket.socket(fileno=listening), lifeline)


def main() -> None:
    """Import everything, receive the services' description, and run them."""
    tempfile.tempdir = warm = tempfile.mkdtemp(prefix="mapreduce-warm-")
    # the driver may need no services after all, in the midst of the warm-up
    signal.signal(signal.SIGTERM, lambda *_: _leave(warm))
    apps = loaded_apps(columns=COLUMNS in sys.argv[1:])
    tempfile.tempdir = None
    shutil.rmtree(warm, ignore_errors=True)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    files, line = _told(socket.socket(fileno=os.dup(0)))
    log, *sockets = files
    os.dup2(log, 1)
    os.dup2(log, 2)
    spec = FleetSpec.model_validate(json.loads(line))
    from services.shell.supervisor import Supervisor

    # the driver has finished or died when its end of the socket closes
    Supervisor(members(spec, apps, sockets)).run()
    # a driver that was killed could not remove the scratch folder
    shutil.rmtree(spec.settings["scratch"], ignore_errors=True)


def _leave(folder: str) -> NoReturn:
    """Remove a folder, and end; an exception could be taken for one of the interrupted code."""
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def loaded_apps(*, columns: bool = False) -> dict[str, AppFactory]:
    """Return the app factory of each role, with all modules that the services need loaded.

    Args:
        columns: also load what a map over columns and Parquet need, and open the database that each
            task takes.
    """
    gc.disable()  # imports make no garbage, and looking for it takes a fifth of their time
    with quick_imports():
        from services.mapper.app import create_app as create_mapper
        from services.reducer.app import create_app as create_reducer
        from services.splitter.app import create_app as create_splitter
        from services.stage.serve import preload

    apps: dict[str, AppFactory] = {
        "splitter": create_splitter,
        "mapper": create_mapper,
        "reducer": create_reducer,
    }
    for create in apps.values():
        preload(create)
    if columns:
        import mapreduce.engine.map_columns
        import mapreduce.formats.parquet  # noqa: F401
        from mapreduce.formats.database import open_before_forks

        open_before_forks()
    gc.freeze()  # a collection in a child would write to, and so copy, every page
    gc.enable()
    return apps


def _told(control: socket.socket) -> tuple[list[int], bytes]:
    """Return the descriptors that the driver sends (log, sockets) and the line after them; exit if
    it ends.
    """
    files: list[int] = []
    line = b""
    with control:
        while not line.endswith(b"\n"):  # byte by byte: a descriptor travels with one byte
            byte, sent, _, _ = socket.recv_fds(control, 1, MOST_FILES)
            if not byte:
                sys.exit(2)
            files += sent
            line += b"" if sent else byte
    return files, line


if __name__ == "__main__":
    main()
    os._exit(0)  # the driver waits for this end, and the interpreter's own takes 20 ms
