"""The package, installed in each Python, with and without a compiler."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.installed.environment import Environment, installed, source_tree
from tests.installed.pythons import Machine, ThisMachine, suite, why_no_suite

PYTHONS = {"this": "", "trixie": "3.13", "forky": "3.14"}
"""Suites of Debian and the version of their Python; `this` is the Python of the tests."""

TEXT = "the owl and the pussy-cat\nwent to sea\nthe sea\n"
JOB = '''
from mapreduce import Job, Sum


class Lengths(Job):
    """Counts the words of each length."""

    reduce = Sum()

    def map(self, key, value):
        for word in value.split():
            yield len(word), 1
'''
NEIGHBOURS = ("services", "jobs", "random", "numbers", "mapreduce")
"""Modules of a user beside the job, under names of ours and of Python's."""


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the sources."""
    return source_tree(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a folder for each Python, of its wheels and its environment."""
    return {name: tmp_path_factory.mktemp(name) for name in PYTHONS}


@pytest.fixture(
    scope="session",
    params=[(name, kind) for name in PYTHONS for kind in ("compiled", "pure")],
    ids="-".join,
)
def package(
    request: pytest.FixtureRequest,
    tree: Path,
    folders: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Environment:
    """Return an environment with the package, built with a compiler or without one."""
    name, kind = request.param
    machine: Machine = ThisMachine()
    if name != "this":
        if why := why_no_suite():
            pytest.skip(f"Python {PYTHONS[name]} of Debian {name} {why}")
        machine = suite(name, tmp_path_factory.getbasetemp())
    return installed(tree, folders[name], machine, compiled=kind == "compiled")


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Return a folder with a text, a job, and a user's own modules of our names."""
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "lengths.py").write_text(JOB)
    (tmp_path / "links.txt").write_text("a\tb\na\tc\nb\tc\nc\ta\n")
    for name in NEIGHBOURS:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the neighbour was imported')\n")
    (tmp_path / "mapreduce_jobs").mkdir()
    (tmp_path / "mapreduce_jobs" / "__init__.py").write_text("raise SystemExit('neighbour')\n")
    return tmp_path
