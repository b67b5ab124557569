"""One task of the album service: everything is wired here."""

from __future__ import annotations

import socket

from examples.albums.app import create_app
from examples.albums.settings import AlbumSettings
from examples.albums.store import AlbumStore
from examples.albums.traffic import Traffic
from mapreduce.storage import Grants, open_storage
from services.shell.logs import configure_logs
from services.shell.serve import State, serve


def run(settings: AlbumSettings, listening: socket.socket, lifeline: int | None = None) -> None:
    """Answer requests on a listening socket until a signal stops the task.

    Args:
        settings: the task's settings.
        listening: the socket.
        lifeline: a pipe's read end; when its other end closes, the process ends at once.
    """
    configure_logs(settings.log_level, "albums")
    # a request that outlives its client's keeps a thread: the storage gives up at the same time
    storage = open_storage(
        Grants(writable=(settings.store,)),
        request_limit_s=settings.store_limit_s,
        retry_limit_s=settings.store_limit_s,
    )
    state = State()
    traffic = Traffic(state, settings.linger_s)
    app = create_app(settings, AlbumStore(storage, settings.store), traffic)
    serve(
        app, settings, listening, state, work=traffic.work, lifeline=lifeline, store=settings.store
    )
