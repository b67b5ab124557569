"""What a task is given to work with, whoever runs it: a worker of a service, or the inline runner."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mapreduce.engine.memory import PeakMemory
from mapreduce.formats.limits import Limits
from mapreduce.job import Job
from mapreduce.messages import Cost, JobSpec
from mapreduce.storage import Storage
from mapreduce.storage.base import BLOCK_BYTES

BLOCK_SHARE = 64
"""A block has at most a 64th of the task's memory: reading ahead has three of them, and fetching the shuffle eight."""
BLOCK_LEAST_BYTES = 1 << 20


@dataclass(slots=True)
class Meter:
    """How far a task is: written by the task, read by the heartbeat."""

    bytes: int = 0
    records: int = 0
    status: Callable[[], str] = str


@dataclass(frozen=True, slots=True)
class TaskContext:
    """The tools of one task.

    Attributes:
        storage: where objects are read and written.
        scratch: a local folder; each attempt makes one of its own in it, and removes it.
        memory_bytes: what the task may use; buffers and DuckDB are cut to it.
        load_job: gives a job's instance for its spec.
        meter: tells how far the task is.
        imported: names the modules that the job's code has loaded into this process.
    """

    storage: Storage
    scratch: Path
    memory_bytes: int
    load_job: Callable[[JobSpec], Job]
    meter: Meter = field(default_factory=Meter)
    imported: Callable[[], tuple[str, ...]] = tuple

    @property
    def limits(self) -> Limits:
        """How long the records may be that the task reads."""
        return Limits(self.memory_bytes)

    @property
    def block_bytes(self) -> int:
        """How long the blocks should be in which the task reads an object; a few are in memory at the same time."""
        return min(BLOCK_BYTES, max(BLOCK_LEAST_BYTES, self.memory_bytes // BLOCK_SHARE))

    @contextmanager
    def scratch_folder(self) -> Iterator[Path]:
        """A new folder, gone with all in it at the end."""
        folder = self.scratch / f"task-{secrets.token_hex(8)}"
        try:
            folder.mkdir(mode=0o700)
        except FileNotFoundError:
            self.scratch.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            _remove(folder)


def _remove(folder: Path) -> None:
    try:
        folder.rmdir()  # most tasks leave nothing in it
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)


class Stopwatch:
    """Measures what a task costs, from its construction on; the process must have no other task with that storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._requests = storage.requests
        self._started = time.perf_counter()
        self._memory = PeakMemory()

    def cost(self) -> Cost:
        """Seconds since the start, the peak memory since then, and the requests made of the store."""
        return Cost(
            seconds=time.perf_counter() - self._started,
            peak_memory_bytes=self._memory.bytes(),
            requests=self._storage.requests - self._requests,
        )
