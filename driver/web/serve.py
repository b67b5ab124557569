"""Listen on loopback, and serve the live pages until Ctrl-C."""

from __future__ import annotations

import errno
import socket

import uvicorn
from fastapi import FastAPI

from driver.web.access import HOSTS
from mapreduce.errors import UsageError

DEFAULT_PORT = 8621
HIGHEST_PORT = 65_535
END_S = 1
"""How long an open page may hold the end of the server."""


def listening(port: int | None) -> socket.socket:
    """Return a socket on loopback.

    Args:
        port: the wanted port, 0 for any; None for the default one, or any where that is in use.

    Raises:
        UsageError: the wanted port is in use, or not allowed.
    """
    wanted = DEFAULT_PORT if port is None else port
    if not 0 <= wanted <= HIGHEST_PORT:
        raise UsageError(f"--port {wanted}: a port is a number from 0 to {HIGHEST_PORT}")
    try:
        return socket.create_server((HOSTS[0], wanted))
    except OSError as exc:
        if port is None and exc.errno == errno.EADDRINUSE:
            return socket.create_server((HOSTS[0], 0))
        raise UsageError(f"--port {wanted}: {exc}; choose another one, or 0 for any") from exc


def serve(app: FastAPI, listener: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        lifespan="off",
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=END_S,
    )
    uvicorn.Server(config).run(sockets=[listener])
