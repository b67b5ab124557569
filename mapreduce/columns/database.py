"""The database of the map over columns: a DuckDB in memory that reads no file and no network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
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
    "statement_text",
]


@contextmanager
def opened(limits: Limits = LIMITS) -> Iterator[DuckDBPyConnection]:
    """Open a database for the time of the context; it may take half of the task's memory."""
    with database(limits) as connection:
        connection.execute("SET enable_external_access = false")
        connection.execute("SET python_enable_replacements = false")
        yield connection


def statement_text(text: str) -> str:
    """Return the text of one statement without what ends it: semicolons, and comments after it."""
    encoded = text.encode()
    for at, kind in reversed(duckdb.tokenize(text)):
        if kind != duckdb.token_type.comment and encoded[at : at + 1] != b";":
            break
        encoded = encoded[:at]
    return encoded.decode().strip()


def first_line(exc: Error) -> str:
    """Return what a database error says, without its excerpt of the query."""
    return str(exc).strip().partition("\n")[0]
