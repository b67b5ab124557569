"""A DuckDB in memory for one task, which reads Parquet or does the map over columns.

Opening one takes 10 ms. A process that is forked for each task opens one that every fork finds: it
has no thread, and each fork gets a connection of its own, whose random numbers are its own too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
from duckdb import DuckDBPyConnection

from mapreduce.formats.limits import MIB, Limits

_LEAST_MEMORY_BYTES = 64 * MIB
_opened_before_the_fork: list[tuple[int, DuckDBPyConnection]] = []


def memory_bytes(limits: Limits) -> int:
    """Return what a database may take: half of the task's memory."""
    return max(limits.memory_bytes // 2, _LEAST_MEMORY_BYTES)


@contextmanager
def database(limits: Limits) -> Iterator[DuckDBPyConnection]:
    """Open a database for the time of the context, or take the one that this fork has found."""
    # the first connection has the random numbers of the process that opened it
    with _taken() or _new() as first, first.cursor() as connection:
        connection.execute(f"SET memory_limit = '{memory_bytes(limits) // MIB}MiB'")
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def open_before_forks() -> None:
    """Open a database, which each later fork of this process takes once."""
    if not _opened_before_the_fork:
        connection = _new()
        # what the first queries of a database build
        connection.execute("SELECT json_serialize_sql('SELECT 1')").fetchall()
        _opened_before_the_fork.append((os.getpid(), connection))


def _taken() -> DuckDBPyConnection | None:
    if not _opened_before_the_fork or _opened_before_the_fork[0][0] == os.getpid():
        return None
    return _opened_before_the_fork.pop()[1]


def _new() -> DuckDBPyConnection:
    return duckdb.connect(
        config={
            # tasks run in parallel already, each further thread takes memory, and none survives a
            # fork
            "threads": 1,
            "async_threads": 0,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "temp_directory": "",
        }
    )
