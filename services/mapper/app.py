"""The mapper's app: `POST /map`."""

from __future__ import annotations

from fastapi import FastAPI

from mapreduce.wire.messages import MapTask
from services.shell.serve import State
from services.stage import app as stage
from services.stage.settings import Settings
from services.stage.workers.pool import WorkerPool


def create_app(settings: Settings, pool: WorkerPool, state: State) -> FastAPI:
    """Return the mapper's app, which maps one split into one object of sorted blocks."""
    return stage.create_app(settings, pool, state, stage="map", message=MapTask)
