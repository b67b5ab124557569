"""The systems that `make e2e` knows."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from tests.e2e.__main__ import main
from tests.e2e.system import NAMES, System, example

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", NAMES)
def test_what_a_system_names_exists(name: str) -> None:
    """Its Terraform root, the files of its packages, and its proof are in the repository."""
    module = import_module(f"tests.e2e.systems.{name}")
    system: System = module.SYSTEM
    assert name == system.name
    assert callable(module.prove)
    for file in (f"{system.folder}/main.tf", *system.requirements):
        assert (ROOT / file).is_file(), file


def test_stacks_have_names_of_their_own() -> None:
    """A stack's name is the system's with hyphens, as AWS takes it."""
    assert "parameter-server-e2e" == example("parameter_server").stack
    assert ("--system", "parameter_server") == example("parameter_server").options


def test_one_part_of_the_steps_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong name is refused with the right ones; another system has no parts."""
    for words in (["--only", "nothing"], ["--system", "albums", "--only", "submitted"]):
        with pytest.raises(SystemExit):
            main(words)
    said = capsys.readouterr().err
    assert "mapreduce has again, look, count, " in said
    assert "albums has none" in said
