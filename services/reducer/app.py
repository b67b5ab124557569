"""The reducer's app: `POST /reduce`."""

from __future__ import annotations

from fastapi import FastAPI

from mapreduce.wire.messages import ReduceTask
from services.shell import app as shell
from services.shell.settings import Settings
from services.shell.workers.pool import WorkerPool


def create_app(settings: Settings, pool: WorkerPool, state: shell.State) -> FastAPI:
    """Return the reducer's app, which merges one partition's blocks and writes one part."""
    return shell.create_app(settings, pool, state, stage="reduce", message=ReduceTask)
