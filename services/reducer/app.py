"""The reducer's app: `POST /reduce`."""

from __future__ import annotations

from fastapi import FastAPI

from mapreduce.messages import ReduceTask
from services.shell import app as shell
from services.shell.pool import WorkerPool
from services.shell.settings import Settings


def create_app(settings: Settings, pool: WorkerPool, state: shell.State) -> FastAPI:
    """The reducer, which merges one partition's blocks and writes one part."""
    return shell.create_app(settings, pool, state, stage="reduce", message=ReduceTask)
