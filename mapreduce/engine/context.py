"""The resources of a task, given by its caller: a service's worker or the inline backend."""

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
from mapreduce.storage import Storage
from mapreduce.storage.base import BLOCK_BYTES
from mapreduce.wire.messages import Cost, JobSpec

BLOCK_SHARE = 64
"""Divides a task's memory into read blocks; read-ahead holds three of them, the shuffle eight."""
BLOCK_LEAST_BYTES = 1 << 20


@dataclass(slots=True)
class Meter:
    """A task's progress: written by the task, read by the heartbeat."""

    bytes: int = 0
    records: int = 0
    status: Callable[[], str] = str


@dataclass(frozen=True, slots=True)
class TaskContext:
    """The resources of one task.

    Attributes:
        storage: where objects are read and written.
        scratch: a local folder; each attempt creates a folder in it, and removes that.
        memory_bytes: memory that the task may use; buffers and DuckDB are sized by it.
        load_job: returns a job's instance for its spec.
        meter: the task's progress.
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
        """The longest records that the task reads."""
        return Limits(self.memory_bytes)

    @property
    def block_bytes(self) -> int:
        """The length of the blocks in which the task reads an object; several are in memory at
        once.
        """
        return min(BLOCK_BYTES, max(BLOCK_LEAST_BYTES, self.memory_bytes // BLOCK_SHARE))

    @contextmanager
    def scratch_folder(self) -> Iterator[Path]:
        """Create a folder, and remove it with its content at the end of the context."""
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
        folder.rmdir()  # cheap, and enough: most tasks leave it empty
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)


class Stopwatch:
    """Measures what a task costs, from construction on.

    No other task may use the same storage in this process meanwhile.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._requests = storage.requests
        self._started = time.perf_counter()
        self._memory = PeakMemory()

    def cost(self) -> Cost:
        """Return seconds and peak memory since construction, and the requests to the store."""
        return Cost(
            seconds=time.perf_counter() - self._started,
            peak_memory_bytes=self._memory.bytes(),
            requests=self._storage.requests - self._requests,
        )
