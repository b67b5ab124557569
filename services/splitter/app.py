"""The splitter's app: `POST /split`."""

from __future__ import annotations

from fastapi import FastAPI

from mapreduce.wire.messages import SplitTask
from services.shell.serve import State
from services.stage import app as stage
from services.stage.settings import Settings
from services.stage.workers.pool import WorkerPool


def create_app(settings: Settings, pool: WorkerPool, state: State) -> FastAPI:
    """Return the splitter's app, which plans byte ranges over the inputs, or writes chunk files."""
    return stage.create_app(settings, pool, state, stage="split", message=SplitTask)
