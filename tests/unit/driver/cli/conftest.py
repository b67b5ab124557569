"""A folder without a stack, and commands that run in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from driver.cli.app import exit_code


@dataclass(frozen=True, slots=True)
class Said:
    """The end of a command: its exit code, and the text on both streams."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Return the JSON document on standard output."""
        return json.loads(self.out)


Command = Callable[..., Said]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, without a deployed stack."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAPREDUCE_TERRAFORM", str(tmp_path / "terraform"))
    monkeypatch.delenv("MAPREDUCE_STORE", raising=False)
    return tmp_path


@pytest.fixture
def command(home: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """A function that runs one command line in this process."""

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        code = exit_code(list(arguments))
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run
