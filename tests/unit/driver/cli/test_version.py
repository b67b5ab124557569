"""The version has one source."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from mapreduce.version import VERSION
from tests.unit.driver.cli.conftest import Command

ROOT = Path(__file__).resolve().parents[4]


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints the version that the package is built with."""
    from driver.cli.app import exit_code

    assert 0 == exit_code(["--version"])
    assert f"mapreduce-on-fargate {VERSION}" == capsys.readouterr().out.strip()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "mapreduce-on-fargate" == project["project"]["name"]
    assert {"attr": "mapreduce.version.VERSION"} == project["tool"]["setuptools"]["dynamic"][
        "version"
    ]


def test_help_is_a_command(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """`help` prints what `--help` prints, of all or of one command."""
    assert command("--help").out == command("help").out
    assert command("run", "--help").out == command("help", "run").out != ""
