"""The database that forks of a process find open."""

from __future__ import annotations

import os

import duckdb
import pytest

from mapreduce.formats import database as module
from mapreduce.formats.database import database, open_before_forks
from mapreduce.formats.limits import Limits


def test_a_fork_takes_the_open_database_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that has opened it never takes it, and a fork gets its own limit of memory."""
    found: list[tuple[int, duckdb.DuckDBPyConnection]] = []
    monkeypatch.setattr(module, "_opened_before_the_fork", found)
    open_before_forks()
    open_before_forks()
    with database(Limits(1 << 30)):
        assert 1 == len(found)
    monkeypatch.setattr(os, "getpid", lambda: 0)
    for _ in range(2):
        with database(Limits(1 << 30)) as connection:
            assert [] == found
            answer = connection.execute("SELECT current_setting('memory_limit')").fetchall()
            assert [("512.0 MiB",)] == answer


def test_forks_have_random_numbers_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """They do not continue those of the process that opened the database, which all forks share."""
    seed, number = "SELECT setseed(0.5)", "SELECT random()"
    with database(Limits(1 << 30)) as connection:
        connection.execute(seed)
        shared = connection.execute(number).fetchall()
    found: list[tuple[int, duckdb.DuckDBPyConnection]] = []
    monkeypatch.setattr(module, "_opened_before_the_fork", found)
    open_before_forks()
    found[0][1].execute(seed)
    monkeypatch.setattr(os, "getpid", lambda: 0)
    with database(Limits(1 << 30)) as connection:
        assert shared != connection.execute(number).fetchall()
