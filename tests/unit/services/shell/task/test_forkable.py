"""When a process that has imported a job may be forked for its tasks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.shell.task.forkable import Traces, why_fresh

BEFORE = Traces(
    threads=1,
    children=0,
    files=frozenset({("3", "socket:[1]")}),
    shared=frozenset(),
    modules=frozenset({"os", "duckdb"}),
    timer=False,
)


def test_an_import_that_leaves_nothing_may_be_forked() -> None:
    """Modules alone are memory; those that were there before are the engine's own."""
    assert why_fresh(BEFORE, replace(BEFORE, modules=BEFORE.modules | {"json", "job"}), []) == ""


@pytest.mark.parametrize(
    ("changed", "outside", "named"),
    [
        ({"threads": 2}, [], "1 thread runs on"),
        ({"threads": 4}, [], "3 threads run on"),
        ({"children": 1}, [], "1 process runs on"),
        ({"modules": frozenset({"os", "polars", "polars.lazy"})}, [], "polars cannot be forked"),
        (
            {"files": frozenset({("3", "socket:[1]"), ("4", "/data/table")})},
            [],
            "/data/table stays open",
        ),
        ({"shared": frozenset({"7f00-7f01"})}, [], "memory is shared between processes"),
        ({"timer": True}, [], "a timer is set"),
        ({}, ["tempfile.mkdtemp", "tempfile.mkdtemp"], "it calls tempfile.mkdtemp"),
    ],
)
def test_what_a_fork_loses_or_shares_is_named(
    changed: dict[str, Any], outside: list[str], named: str
) -> None:
    """Each of the reasons, once."""
    assert why_fresh(BEFORE, replace(BEFORE, **changed), outside) == named
