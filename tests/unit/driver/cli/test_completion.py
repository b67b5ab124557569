"""The scripts of `completion`; tests/integration/test_completion.py loads them in the shells."""

from __future__ import annotations

import re

import pytest

from driver.cli.app import app
from tests.unit.driver.cli.conftest import Command


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_has_every_command(command: Command, shell: str) -> None:
    """The script of each shell knows each command."""
    script = command("completion", shell).out
    names = [name for name in app if not name.startswith("-") and app[name].show]
    assert [] == [name for name in names if not re.search(rf"\b{name}\b", script)]


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", "complete -o default -o bashdefault -F _mapreduce mapreduce"),
        ("bash", "complete -o default -o bashdefault -F _mapreduce_of_python python python3"),
        ("zsh", "  compdef _mapreduce_or_files mapreduce"),
    ],
)
def test_the_script_takes_effect_when_it_is_loaded(command: Command, shell: str, line: str) -> None:
    """The script binds its function to the command, in bash to Python's `-m driver` too."""
    assert line in command("completion", shell).out.splitlines()


def test_another_shell_is_wrong_use(command: Command) -> None:
    """A shell without a script exits with 2 and the known one."""
    said = command("completion", "tcsh")
    assert (2, True) == (said.code, "bash" in said.err)
