"""The script of `completion`; tests/integration/test_completion.py loads it in bash."""

from __future__ import annotations

from driver.cli.app import app
from tests.unit.driver.cli.conftest import Command


def test_the_script_has_every_command(command: Command) -> None:
    """The script knows each command and completes Python's `-m driver`."""
    script = command("completion", "bash").out
    names = [name for name in app if not name.startswith("-") and app[name].show]
    assert [] == [name for name in names if f'"{name}"' not in script]
    assert "complete -o default -o bashdefault -F _driver_of_python python python3" in script


def test_another_shell_is_wrong_use(command: Command) -> None:
    """A shell without a script exits with 2 and the known one."""
    said = command("completion", "tcsh")
    assert (2, True) == (said.code, "bash" in said.err)
