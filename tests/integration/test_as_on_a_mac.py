"""Whole runs on a Linux that lacks what macOS lacks, in driver, services and workers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from mapreduce.words import words
from tests.integration.commands import ROOT, Driver

TAKEN_AWAY = """
from mapreduce.system import operating_system

operating_system.PROC = "/nonexistent/proc"
operating_system.prctl = operating_system.madvise = None
operating_system.ABSTRACT_SOCKETS = False
operating_system.NAMELESS_FILE = 0
"""
JOB = """
from mapreduce import Job


class Lengths(Job):
    def map(self, offset, line):
        yield len(line), 1

    def reduce(self, key, values):
        yield key, sum(values)
"""


@pytest.fixture
def mac(driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> Driver:
    """A driver whose processes lack it all, by a module that Python imports at its start."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(TAKEN_AWAY)
    (driver.folder / "job.py").write_text(JOB)
    (driver.folder / "in.txt").write_text("a\nbb\ncc\n" * 1000)
    return replace(driver, variables={"PYTHONPATH": f"{folder}:{ROOT}"})


@pytest.mark.parametrize("target", ["local", "inline"])
def test_a_job_runs_and_leaves_no_process(mac: Driver, target: str) -> None:
    """The answer is right, and every process has ended afterwards (the fixture looks)."""
    ran = mac.run("run", "in.txt", "--job", "job.py", "--target", target, "--json")
    assert [[1, 1000], [2, 2000]] == sorted(ran.document["top"])


def test_a_ready_made_job_runs(mac: Driver) -> None:
    """The words of a book are counted."""
    book = Path(ROOT, "books", "alice.txt")
    ran = mac.run("run", str(book), "--target", "local", "--fields", "top")
    counted = Counter(words(book.read_text(encoding="utf-8")))
    assert {key: counted[key] for key, _ in ran.document["top"]} == dict(ran.document["top"])
