"""The splitter's app: `POST /split`."""

from __future__ import annotations

from fastapi import FastAPI

from mapreduce.wire.messages import SplitTask
from services.shell import app as shell
from services.shell.settings import Settings
from services.shell.workers.pool import WorkerPool


def create_app(settings: Settings, pool: WorkerPool, state: shell.State) -> FastAPI:
    """Return the splitter's app, which plans byte ranges over the inputs, or writes chunk files."""
    return shell.create_app(settings, pool, state, stage="split", message=SplitTask)
