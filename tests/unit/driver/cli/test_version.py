"""The version has one source."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from driver.cli import version as module
from driver.cli.version import clone_version, installed_version, version
from tests.unit.driver.cli.conftest import Command

ROOT = Path(__file__).resolve().parents[4]
WRITTEN = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_version_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints the version in pyproject.toml."""
    from driver.cli.app import exit_code

    assert 0 == exit_code(["--version"])
    assert f"mapreduce-on-fargate {WRITTEN}" == capsys.readouterr().out.strip()


def test_an_installed_package_has_its_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a clone's file the version comes from the metadata; without both it is unknown."""
    monkeypatch.setattr(module, "_PROJECT_FILE", tmp_path / "pyproject.toml")
    monkeypatch.setattr("importlib.metadata.version", lambda _: "7.8.9")
    assert version().endswith(" 7.8.9")
    monkeypatch.setattr(module, "DISTRIBUTION", "no-such-distribution")
    monkeypatch.undo()
    monkeypatch.setattr(module, "_PROJECT_FILE", tmp_path / "pyproject.toml")
    monkeypatch.setattr(module, "DISTRIBUTION", "no-such-distribution")
    assert (None, True) == (installed_version(), version().endswith(" unknown"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[project]\nname = "mapreduce-on-fargate"\nversion = "1.2"\n', "1.2"),
        ('[project]\nname = "another"\nversion = "1.2"\n', None),
        ("[project", None),
        ("", None),
    ],
)
def test_another_projects_file_is_not_ours(tmp_path: Path, text: str, expected: str | None) -> None:
    """A file of another project, or a broken one, has no version of ours."""
    (tmp_path / "pyproject.toml").write_text(text)
    assert expected == clone_version(tmp_path / "pyproject.toml")


def test_help_is_a_command(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """`help` prints what `--help` prints, of all or of one command."""
    assert command("--help").out == command("help").out
    assert command("run", "--help").out == command("help", "run").out != ""
