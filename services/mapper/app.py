"""The mapper's app: `POST /map`."""

from __future__ import annotations

from fastapi import FastAPI

from mapreduce.wire.messages import MapTask
from services.shell import app as shell
from services.shell.settings import Settings
from services.shell.workers.pool import WorkerPool


def create_app(settings: Settings, pool: WorkerPool, state: shell.State) -> FastAPI:
    """Return the mapper's app, which maps one split into one object of sorted blocks."""
    return shell.create_app(settings, pool, state, stage="map", message=MapTask)
