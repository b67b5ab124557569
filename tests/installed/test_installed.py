"""The installed package, away from the clone: commands, extension, and neighbours."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from mapreduce.version import VERSION
from mapreduce.words import words
from tests.installed.conftest import PYTHONS, TEXT
from tests.installed.environment import Environment
from tests.installed.pythons import ROOT, run

pytestmark = pytest.mark.timeout(900)  # pip installs 200 MB
LENGTHS = dict(Counter(map(len, TEXT.split())))


def test_the_python_is_that_of_its_suite(
    request: pytest.FixtureRequest, package: Environment, tmp_path: Path
) -> None:
    """A suite has the version that the list says, so that no Python is tested twice."""
    asked = "import platform; print(platform.python_version())"
    found = package.run([package.python, "-c", asked], tmp_path).stdout
    assert found.startswith(PYTHONS[request.node.callspec.params["package"][0]])


def test_a_ready_made_job_runs_from_any_folder(package: Environment, desk: Path) -> None:
    """The command counts words on local services, beside a user's modules of our names."""
    done = package.run(
        [package.command, "run", "--input", "text.txt", "--target", "local", "--json"], desk
    )
    assert dict(json.loads(done.stdout)["top"]) == dict(Counter(words(TEXT)))


@pytest.mark.parametrize("target", ["local", "inline"])
def test_a_users_job_runs_from_any_folder(package: Environment, desk: Path, target: str) -> None:
    """A job in a file of the current folder runs on local services and in one process."""
    (desk / "driver.py").write_text("raise SystemExit('the neighbour was imported')\n")
    done = package.run(
        [package.command, "run", "text.txt", "--job", "lengths.py", "--target", target, "--json"],
        desk,
    )
    assert dict(json.loads(done.stdout)["top"]) == LENGTHS


def test_the_module_runs_beside_neighbours(package: Environment, desk: Path) -> None:
    """`python -m driver` imports no module of the current folder but the job."""
    done = package.run(
        [package.python, "-m", "driver", "run", "text.txt", "--job", "lengths.py", "--json"], desk
    )
    assert dict(json.loads(done.stdout)["top"]) == LENGTHS


def test_a_chain_runs(package: Environment, desk: Path) -> None:
    """A ready-made chain runs to its end, with an entry for each page."""
    done = package.run([package.command, "run", "links.txt", "--job", "page_rank", "--json"], desk)
    assert {page for page, _ in json.loads(done.stdout)["top"]} == {"a", "b", "c"}


def test_check_runs(package: Environment, desk: Path) -> None:
    """`check` finds the laws of a job kept."""
    done = package.run([package.command, "check", "lengths.py", "text.txt"], desk)
    assert "keeps" in done.stdout


def test_next_steps_name_the_command_that_was_typed(package: Environment, desk: Path) -> None:
    """The console command prints `mapreduce ...`, the module `python -m driver ...`."""
    started: dict[str, list[object]] = {
        "mapreduce": [package.command],
        "python -m driver": [package.python, "-m", "driver"],
    }
    for name, words_of_it in started.items():
        ran = package.run([*words_of_it, "run", "text.txt", "--job", "lengths.py"], desk)
        usage = package.run([*words_of_it, "run", "--help"], desk).stdout
        (page,) = desk.glob(".mapreduce/runs/*/report.html")
        texts = (ran.stderr + ran.stdout, usage, page.read_text())
        assert all(f"{name} " in text for text in texts)
        other = "python -m driver" if name == "mapreduce" else "mapreduce r"
        assert [] == [text for text in texts if f"{other} " in text]
        package.run(["rm", "-r", ".mapreduce"], desk)


def test_the_extension_is_there_where_a_compiler_was(package: Environment, tmp_path: Path) -> None:
    """Built with a compiler, the package has its extension; without one it works without it."""
    code = "from mapreduce import native; print(native.extension is not None)"
    found = package.run([package.python, "-c", code], tmp_path).stdout
    assert f"{package.compiled}\n" == found
    assert package.compiled == ("none-any" not in package.wheel.name)


def test_the_command_says_its_version(package: Environment, tmp_path: Path) -> None:
    """The version of the command is that of the distribution."""
    code = "from importlib.metadata import version; print(version('mapreduce-on-fargate'))"
    assert f"{VERSION}\n" == package.run([package.python, "-c", code], tmp_path).stdout
    assert VERSION in package.run([package.command, "--version"], tmp_path).stdout


def test_the_wheel_holds_the_packages_and_no_tests(package: Environment) -> None:
    """Nothing but the four packages and the metadata is in the wheel."""
    with zipfile.ZipFile(package.wheel) as archive:
        first = {name.partition("/")[0] for name in archive.namelist()}
    info = f"mapreduce_on_fargate-{VERSION}.dist-info"
    assert first == {"driver", "mapreduce", "mapreduce_jobs", "services", info}


def test_every_file_of_the_packages_is_in_the_wheel(package: Environment) -> None:
    """Templates, static files and C sources travel as the modules do."""
    with zipfile.ZipFile(package.wheel) as archive:
        held = set(archive.namelist())
    tracked = run(["git", "ls-files", "driver", "mapreduce", "mapreduce_jobs", "services"], ROOT)
    of_the_clone = ("Dockerfile", ".clang-format")
    names = {name for name in tracked.stdout.splitlines() if not name.endswith(of_the_clone)}
    assert names - held == set()
