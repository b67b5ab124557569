"""mypy and pyright accept jobs against the installed package: all shapes, the docs' programs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.docs.blocks import blocks, pages
from tests.installed.environment import Environment
from tests.installed.pythons import ROOT, run

pytestmark = pytest.mark.timeout(900)  # pip installs 200 MB
PYRIGHT = ROOT / ".venv" / "pyright-env" / "node_modules" / ".bin" / "pyright"
MYPY = (sys.executable, "-m", "mypy", "--strict", "--no-error-summary")
UNANNOTATED = ("--allow-untyped-defs", "--allow-untyped-calls")
OF_JOBS = "--disable-error-code=import-not-found"
"""Packages that a job requires are not installed here."""
SHAPES = '''
"""Jobs in every shape that an author may write, annotated."""

from abc import ABC
from collections.abc import Iterator
from typing import ClassVar

from mapreduce import Chain, Count, Csv, Job, Max, Step, Sum, Text


class WithAggregation(Job):
    reduce = Sum()
    least: int = 1

    def map(self, offset: int, line: str) -> Iterator[tuple[str, int]]:
        if len(line) >= self.least:
            yield line, offset


class WithMethod(Job):
    input_format = Csv(header=True)
    group_by = 1
    files = ("stop.txt",)

    def map(self, row: int, fields: dict[str, str]) -> Iterator[tuple[tuple[str, int], int]]:
        self.count("rows")
        yield (fields["user"], 1), 1

    def combine(self, word: tuple[str, int], ns: Iterator[int]) -> Iterator[tuple[object, int]]:
        yield word, sum(ns)

    def reduce(self, word: str, ns: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(ns)

    def partition(self, word: str, of: int) -> int:
        return len(word) % of


class Inherited(WithMethod):
    def reduce(self, word: str, ns: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield from super().reduce(word, ns)


class ClassVariable(Job):
    reduce: ClassVar = Max()
    input_format = {"a": Text(), "b": Csv()}

    def map(self, offset: int, line: str) -> list[tuple[str, int]]:
        return [(self.input, 1)]


class Gathers(Job, ABC):
    reduce = Count()

    def map_setup(self) -> None:
        self.seen = 0

    def map(self, offset: int, line: str) -> None:
        self.seen += 1

    def map_cleanup(self) -> Iterator[tuple[str, int]]:
        yield "seen", self.seen


class Both(Chain):
    least: int = 3

    def steps(self) -> list[Job | Step]:
        return [WithAggregation(least=self.least), Step(WithMethod(), reads="given")]
'''


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """Return a folder with the annotated jobs."""
    (tmp_path / "shapes.py").write_text(SHAPES)
    return tmp_path


@pytest.fixture
def programs(tmp_path: Path) -> list[Path]:
    """Return a folder for each page of the docs, with its programs that import this package."""
    folders: list[Path] = []
    for page in pages(ROOT):
        folder = tmp_path / page.relative_to(ROOT).with_suffix("").as_posix().replace("/", "-")
        for block in blocks(page.read_text(encoding="utf-8")):
            if block.language == "python" and "from mapreduce" in block.text:
                folder.mkdir(exist_ok=True)
                name = Path(block.title).name or f"line_{block.line}.py"
                (folder / name).write_text(block.text + "\n")
        if folder.exists():
            folders.append(folder)
    assert len(folders) > 10
    return folders


here = pytest.mark.parametrize("package", [("this", "compiled")], indirect=True, ids=["this"])


def _pyright(package: Environment, folder: Path) -> str:
    """Return what pyright finds in a folder, or ""."""
    if not PYRIGHT.exists():
        pytest.skip("pyright is not installed: make installed")
    done = run([PYRIGHT, "--pythonpath", package.python, "."], folder, may_fail=True)
    return done.stdout if done.code else ""


def _mypy(package: Environment, folder: Path, *options: str) -> str:
    """Return what mypy finds in a folder, or ""."""
    cache = package.folder.parent / "mypy"  # the package itself is analysed once
    asked = [*MYPY, *options, "--cache-dir", cache, "--python-executable", package.python, "."]
    done = run(asked, folder, may_fail=True)
    return done.stdout + done.stderr if done.code else ""


@here
def test_annotated_jobs_pass_mypy(package: Environment, shapes: Path) -> None:
    """Mypy accepts every shape of a job in its strict mode."""
    assert "" == _mypy(package, shapes)


@here
def test_annotated_jobs_pass_pyright(package: Environment, shapes: Path) -> None:
    """Pyright accepts every shape of a job."""
    assert "" == _pyright(package, shapes)


@here
def test_the_programs_of_the_docs_pass_mypy(package: Environment, programs: list[Path]) -> None:
    """Mypy accepts each program of the docs in its strict mode, but for missing annotations."""
    found = {folder.name: _mypy(package, folder, *UNANNOTATED, OF_JOBS) for folder in programs}
    assert {} == {name: said for name, said in found.items() if said}


@here
def test_the_programs_of_the_docs_pass_pyright(package: Environment, programs: list[Path]) -> None:
    """Pyright accepts each program of the docs; packages that a job requires are not installed."""
    folder = programs[0].parent
    (folder / "pyrightconfig.json").write_text('{"reportMissingImports": false}')
    assert "" == _pyright(package, folder)
