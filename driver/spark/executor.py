"""The functions that run in Spark's executors: our tasks, shipped by the functions' names.

They take a task's message as JSON text, and return its outcome as JSON text, or records for the
shuffle. Of the job only its digest is sent; its code is loaded from the store, as in the services.
"""

from __future__ import annotations

import os
import platform
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from driver.spark.external_shuffle import Record, map_records, reduce_records, run_whole
from mapreduce.code import CodeLoader
from mapreduce.engine.context import TaskContext
from mapreduce.storage import Storage, open_storage
from mapreduce.wire.messages import JoinedPart, MapTask, ReduceTask

Task = TypeVar("Task", MapTask, ReduceTask)
LOCAL_FOLDERS = "SPARK_LOCAL_DIRS"
"""The variable of the folders where Spark's Python processes keep temporary files."""


@dataclass(frozen=True, slots=True)
class Workbench:
    """The settings of every task of a run.

    Attributes:
        store: the store's root URL.
        memory_bytes: memory of a task.
        joined: the parts of an earlier step that the reduce tasks merge, one for each.
    """

    store: str
    memory_bytes: int
    joined: tuple[JoinedPart, ...] = ()


def map_whole(bench: Workbench, text: str) -> str:
    """Run a map task that writes a part of the result."""
    return run_whole(
        _attempt(MapTask.model_validate_json(text)), _context(bench), platform.node()
    ).model_dump_json()


def map_side(bench: Workbench, text: str) -> Iterator[Record]:
    """Yield a map task's records."""
    yield from map_records(MapTask.model_validate_json(text), _context(bench), platform.node())


def reduce_side(
    bench: Workbench, text: str, partition: int, records: Iterator[Record]
) -> Iterator[str]:
    """Yield the outcome of partition number `partition`; `text` is the task of any partition."""
    joined = bench.joined[partition] if bench.joined else None
    changed = {"index": partition, "joined": joined}
    task = _attempt(ReduceTask.model_validate_json(text).model_copy(update=changed))
    yield reduce_records(task, records, _context(bench), platform.node()).model_dump_json()


def _attempt(task: Task) -> Task:
    """Return the task with an attempt's name that no other attempt has, on any machine."""
    return task.model_copy(update={"attempt": f"{task.attempt}-{secrets.token_hex(4)}"})


def _context(bench: Workbench) -> TaskContext:
    storage, loader, scratch = _tools(bench.store)
    return TaskContext(
        storage=storage, scratch=scratch, memory_bytes=bench.memory_bytes, load_job=loader.load
    )


@cache
def _tools(store: str) -> tuple[Storage, CodeLoader, Path]:
    """Return tools that live as long as the process: its next task finds the job imported."""
    folder = os.environ.get(LOCAL_FOLDERS, tempfile.gettempdir()).split(",")[0]
    scratch = Path(tempfile.mkdtemp(prefix="mapreduce-", dir=folder))
    storage = open_storage()
    return storage, CodeLoader(storage, store, scratch / "jobs"), scratch
