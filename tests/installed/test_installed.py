"""The installed package, away from the clone: commands, extension, types, and neighbours."""

from __future__ import annotations

import json
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from mapreduce.version import VERSION
from mapreduce.words import words
from tests.installed.environment import ROOT, Environment, run, source_tree, wheel

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


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the sources."""
    return source_tree(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="session", params=["compiled", "pure"])
def installed(
    request: pytest.FixtureRequest, tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Environment:
    """Return an environment with the package, with and without a compiler at its build."""
    folder = tmp_path_factory.mktemp(request.param)
    built = wheel(tree, folder / "wheel", compiler=request.param == "compiled")
    assert ("none-any" in built.name) == (request.param == "pure")
    return Environment.made(folder / "environment", built)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Return a folder with a text, a job, and a user's own modules of our names."""
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "lengths.py").write_text(JOB)
    for name in ("driver", "services", "jobs", "random", "numbers"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the neighbour was imported')\n")
    (tmp_path / "mapreduce_jobs").mkdir()
    (tmp_path / "mapreduce_jobs" / "__init__.py").write_text("raise SystemExit('neighbour')\n")
    return tmp_path


def _is_compiled(environment: Environment, folder: Path) -> bool:
    code = "from mapreduce import native; print(native.extension is not None)"
    return run([environment.python, "-c", code], folder).stdout == "True\n"


def test_a_ready_made_job_runs_from_any_folder(installed: Environment, desk: Path) -> None:
    """The command counts words beside a user's modules of our names."""
    done = run([installed.command, "run", "--input", "text.txt", "--json"], desk)
    top = dict(json.loads(done.stdout)["top"])
    assert top == dict(Counter(words(TEXT)))


def test_a_users_job_runs_from_any_folder(installed: Environment, desk: Path) -> None:
    """A job in a file of the current folder runs on the local fleet."""
    done = run(
        [installed.command, "run", "--job", "lengths.py", "--input", "text.txt", "--json"], desk
    )
    assert dict(json.loads(done.stdout)["top"]) == dict(Counter(map(len, TEXT.split())))


def test_the_extension_is_there_where_a_compiler_was(
    installed: Environment, tmp_path: Path
) -> None:
    """Built with a compiler, the package has its extension; without one it works without it."""
    assert _is_compiled(installed, tmp_path) == (installed.folder.parent.name[:8] == "compiled")


def test_the_command_says_its_version(installed: Environment, tmp_path: Path) -> None:
    """The version of the command is that of the distribution."""
    code = "from importlib.metadata import version; print(version('mapreduce-on-fargate'))"
    assert f"{VERSION}\n" == run([installed.python, "-c", code], tmp_path).stdout
    assert VERSION in run([installed.command, "--version"], tmp_path).stdout


def test_a_type_checker_knows_the_package(installed: Environment, tmp_path: Path) -> None:
    """An annotated job passes mypy in its strict mode against the installed package."""
    (tmp_path / "typed.py").write_text(
        "from collections.abc import Iterator\n"
        "from mapreduce import Job, Sum\n\n\n"
        "class Typed(Job):\n"
        "    reduce = Sum()\n\n"
        "    def map(self, offset: int, line: str) -> Iterator[tuple[str, int]]:\n"
        "        yield line, offset\n"
    )
    check = [sys.executable, "-m", "mypy", "--strict", "--no-incremental"]
    done = run(
        [*check, "--python-executable", installed.python, "typed.py"], tmp_path, may_fail=True
    )
    assert done.code == 0, done.stdout


def test_the_wheel_holds_the_packages_and_no_tests(installed: Environment) -> None:
    """Nothing but the four packages and the metadata is in the wheel."""
    (built,) = (installed.folder.parent / "wheel").glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        first = {name.partition("/")[0] for name in archive.namelist()}
    info = f"mapreduce_on_fargate-{VERSION}.dist-info"
    assert first == {"driver", "mapreduce", "mapreduce_jobs", "services", info}


def test_every_file_of_the_packages_is_in_the_wheel(installed: Environment) -> None:
    """Templates, static files and C sources travel as the modules do."""
    (built,) = (installed.folder.parent / "wheel").glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        held = set(archive.namelist())
    tracked = run(["git", "ls-files", "driver", "mapreduce", "mapreduce_jobs", "services"], ROOT)
    of_the_clone = ("Dockerfile", ".clang-format")
    names = {name for name in tracked.stdout.splitlines() if not name.endswith(of_the_clone)}
    assert names - held == set()
