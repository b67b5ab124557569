"""The reducer's app: `POST /reduce`."""

from __future__ import annotations

from fastapi import FastAPI

from mapreduce.wire.messages import ReduceTask
from services.shell.serve import State
from services.stage import app as stage
from services.stage.settings import Settings
from services.stage.workers.pool import WorkerPool


def create_app(settings: Settings, pool: WorkerPool, state: State) -> FastAPI:
    """Return the reducer's app, which merges one partition's blocks and writes one part."""
    return stage.create_app(settings, pool, state, stage="reduce", message=ReduceTask)
