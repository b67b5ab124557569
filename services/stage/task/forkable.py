"""Decide whether a process that has imported a job may be forked for each task, and if not, why.

A fork copies memory and one thread. All else is lost (threads, timers), shared with every other
fork (open files, shared memory, files on disk) or broken (libraries with threads or connections).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mapreduce.system import operating_system
from services.shell.process_tree import children_of

NOT_FORKABLE = frozenset(
    (
        "obstore polars pyarrow grpc torch tensorflow jax jaxlib cupy pycuda numba.cuda "
        "ray dask.distributed distributed pyspark faiss onnxruntime cv2 lightgbm xgboost "
        "pymongo kafka confluent_kafka psycopg psycopg2 mysql redis duckdb lance deltalake"
    ).split()
)
"""Modules with threads, connections or devices, which do not survive a fork.

Besides this list, what an import leaves running or open is detected directly.
"""

_WRITES = os.O_WRONLY | os.O_RDWR
_OUTSIDE = frozenset(
    ("tempfile.mkdtemp", "tempfile.mkstemp", "os.mkdir", "sqlite3.connect", "socket.connect")
)
"""Audit events (sys.audit) of actions with effects outside this process."""


@dataclass(frozen=True, slots=True)
class Traces:
    """What is open, running or loaded in this process.

    Attributes:
        threads: the number of threads.
        children: the number of child processes.
        files: open descriptors, with their targets.
        shared: mappings of shared memory.
        modules: names of the loaded modules.
        timer: whether the alarm clock is set.
    """

    threads: int
    children: int
    files: frozenset[tuple[str, str]]
    shared: frozenset[str]
    modules: frozenset[str]
    timer: bool


def traces() -> Traces:
    """Return the traces of this process."""
    return Traces(
        threads=_threads(),
        children=len(children_of(os.getpid())),
        files=frozenset(_files()),
        shared=frozenset(_shared_mappings()),
        modules=frozenset(sys.modules),
        timer=any(signal.getitimer(signal.ITIMER_REAL)),
    )


def why_fresh(before: Traces, after: Traces, outside: Iterable[str]) -> str:
    """Return why a process may not be forked for each task, or "".

    Args:
        before: traces before the import of the job.
        after: traces after it.
        outside: effects of the import outside the process.
    """
    reasons: list[str] = []
    if not operating_system.finds_orphans():
        reasons.append("this system does not tell which threads and files an import leaves")
    if after.threads > before.threads:
        reasons.append(_counted(after.threads - before.threads, "thread runs on", "threads run on"))
    loaded = sorted(name for name in after.modules - before.modules if name in NOT_FORKABLE)
    if loaded:
        reasons.append(f"{', '.join(loaded)} cannot be forked")
    if after.children > before.children:
        reasons.append(
            _counted(after.children - before.children, "process runs on", "processes run on")
        )
    if opened := sorted(target for _, target in after.files - before.files):
        reasons.append(f"{opened[0]} stays open")
    if after.shared - before.shared:
        reasons.append("memory is shared between processes")
    if after.timer and not before.timer:
        reasons.append("a timer is set")
    reasons += [f"it calls {name}" for name in dict.fromkeys(outside)]
    return "; ".join(reasons)


class OutsideWatch:
    """Records this process's effects outside itself (files, folders, connections) until stopped."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._watching = True
        sys.addaudithook(self._hook)

    def stop(self) -> None:
        """Stop recording; the hook itself stays, because audit hooks cannot be removed."""
        self._watching = False

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        if event in _OUTSIDE and not _is_bytecode(arguments):
            self.seen.append(event)
        elif event == "open" and _is_writing(*arguments[:3]) and not _is_bytecode(arguments):
            self.seen.append("open for writing")


def _is_writing(path: object, mode: object, flags: object) -> bool:
    # a file object over a descriptor is no new file: the import system writes byte code through one
    if path == os.devnull or isinstance(path, int):
        return False
    by_mode = isinstance(mode, str) and bool(set(mode) & set("wax+"))
    return by_mode or (isinstance(flags, int) and bool(flags & _WRITES))


def _is_bytecode(arguments: tuple[Any, ...]) -> bool:
    """Return whether the import system itself caused the event."""
    return bool(arguments) and "__pycache__" in str(arguments[0])


def _threads() -> int:
    with suppress(OSError):
        return len(os.listdir(f"{operating_system.PROC}/self/task"))  # noqa: PTH208 - names; the threads of libraries too
    return threading.active_count()


def _files() -> Iterable[tuple[str, str]]:
    with suppress(OSError):
        for name in os.listdir(f"{operating_system.PROC}/self/fd"):  # noqa: PTH208 - names
            with suppress(OSError):
                yield name, os.readlink(f"{operating_system.PROC}/self/fd/{name}")  # noqa: PTH115 - many, and quick


def _shared_mappings() -> Iterable[str]:
    maps = f"{operating_system.PROC}/self/maps"
    with suppress(OSError), open(maps, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        yield from (line.split()[0] for line in file if line.split()[1].endswith("s"))


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
