"""What lies beside a job and does not travel with it is as absent inline as elsewhere."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mapreduce.code import find_job, members_of, only_packed
from mapreduce.errors import JobLoadError

JOB = """
import importlib
import json
from importlib import resources
from pathlib import Path
import only_imported
import only_package
from mapreduce import Count, Job


class Looks(Job):
    files = ["only_named.txt"]
    reduce = Count()

    def map(self, key, value):
        yield 1, 1

    @staticmethod
    def opens(name):
        return (Path(__file__).parent / name).read_text()

    @staticmethod
    def imports(name):
        return importlib.import_module(name)

    @staticmethod
    def resource(name):
        return resources.files(only_package).joinpath(name).read_text()
"""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A job that has been imported, with files and modules of both kinds beside it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("only_imported.py", "only_hidden.py", "only_named.txt", "only_data.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "only_package").mkdir()
    for name in ("__init__.py", "part.py", "table.txt"):
        (tmp_path / "only_package" / name).write_text("")
    (tmp_path / "only_looks.py").write_text(JOB)
    source, cls = find_job(str(tmp_path / "only_looks.py"))
    files = tuple(members_of(source, source.modules()).values())
    with only_packed(source.root, files):
        yield cls
    for name in [name for name in sys.modules if name.startswith("only_")]:
        del sys.modules[name]


def test_what_travels_is_found(job: Any) -> None:
    """Named files and imported modules are there; the standard library is, too."""
    assert "" == job.opens("only_named.txt")
    assert isinstance(job.imports("only_imported"), ModuleType)
    assert isinstance(job.imports("wave"), ModuleType)


@pytest.mark.parametrize("name", ["only_hidden", "only_package.part"])
def test_a_module_that_no_import_names_is_refused(job: Any, name: str) -> None:
    """The message names the file and the import to write."""
    with pytest.raises(ModuleNotFoundError, match=f"write `import {name}` in the job's file"):
        job.imports(name)


def test_a_data_file_is_refused(job: Any) -> None:
    """By its place beside the file and as a resource of a package, with what to write."""
    with pytest.raises(FileNotFoundError, match="name it in `files`"):
        job.opens("only_data.txt")
    with pytest.raises(FileNotFoundError, match="name it in `files`"):
        job.resource("table.txt")


def test_a_relative_name_is_looked_at_too(
    job: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the job's folder, a name without a folder means a file beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(f"{job.__module__}.Path", lambda _: Path("any/name"))
    with pytest.raises(FileNotFoundError, match="name it in `files`"):
        job.opens("../only_data.txt")


@pytest.mark.parametrize("way", ["Path(__file__).parent / 'side.txt'", "'side.txt'"])
def test_an_import_that_reads_a_file_must_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The tasks import it elsewhere: there the file is missing, or another."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "side.txt").write_text("a")
    text = (
        "from pathlib import Path\nfrom mapreduce import Count, Job\n"
        f"KNOWN = Path({way}).read_text()\n\n\nclass Reads(Job):\n    reduce = Count()\n\n"
        "    def map(self, key, value):\n        yield KNOWN, 1\n"
    )
    (tmp_path / "only_reads.py").write_text(text)
    with pytest.raises(JobLoadError, match=r"reads side\.txt, which does not travel"):
        find_job(str(tmp_path / "only_reads.py"))
    named = text.replace("reduce =", "files = ['side.txt']\n    reduce =")
    (tmp_path / "only_names.py").write_text(named)
    find_job(str(tmp_path / "only_names.py"))
    for name in ("only_reads", "only_names"):
        sys.modules.pop(name, None)


def test_others_may_read_what_they_like(job: Any, tmp_path: Path) -> None:
    """This program reads its inputs and its store, wherever they lie; a missing file is missing."""
    assert "" == (tmp_path / "only_data.txt").read_text()
    with pytest.raises(FileNotFoundError, match="No such file"):
        job.opens("never.txt")


def test_after_the_run_nothing_is_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block ends, and the folder is as it was."""
    (tmp_path / "only_later.py").write_text("")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    with only_packed(tmp_path, ()), pytest.raises(ModuleNotFoundError):
        importlib.import_module("only_later")
    assert importlib.import_module("only_later")
    del sys.modules["only_later"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("from . import helpers", r"write an empty apart/__init__\.py"),
        ("from apart import helpers", r"apart is the folder of the job: write an empty"),
    ],
)
def test_a_folder_without_init_says_so(tmp_path: Path, text: str, message: str) -> None:
    """A job whose folder is no package cannot import by a dot, or by the folder's name."""
    (tmp_path / "apart").mkdir()
    (tmp_path / "apart" / "helpers.py").touch()
    (tmp_path / "apart" / "job_apart.py").write_text(f"{text}\n")
    with pytest.raises(JobLoadError, match=message):
        find_job(str(tmp_path / "apart" / "job_apart.py"))


def test_a_folder_is_no_job(tmp_path: Path) -> None:
    """The message names a file in it."""
    (tmp_path / "mine.py").touch()
    with pytest.raises(JobLoadError, match=r"is a folder; .*/mine\.py"):
        find_job(f"{tmp_path}/")
