"""The database of the map over columns: a DuckDB in memory that reads no file and no network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from duckdb import DuckDBPyConnection, Error, OutOfMemoryException
from duckdb.sqltypes import DuckDBPyType

from mapreduce.formats.database import database
from mapreduce.formats.limits import LIMITS, Limits

__all__ = [
    "DuckDBPyConnection",
    "DuckDBPyType",
    "Error",
    "OutOfMemoryException",
    "first_line",
    "opened",
]


@contextmanager
def opened(limits: Limits = LIMITS) -> Iterator[DuckDBPyConnection]:
    """Open a database for the time of the context; it may take half of the task's memory."""
    with database(limits) as connection:
        connection.execute("SET enable_external_access = false")
        connection.execute("SET python_enable_replacements = false")
        yield connection


def first_line(exc: Error) -> str:
    """Return what a database error says, without its excerpt of the query."""
    return str(exc).strip().partition("\n")[0]
