"""Help of each command: an example that begins with its name, one a line, and groups of options."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import pytest

from driver.cli.app import app
from driver.cli.stack import stack

WITHOUT_OPTIONS = {
    *("preflight", "platform", "images", "registry-password", "cost", "wait"),
    *("image-digests", "share-settings"),
    *("drive", "keep", "scheduled"),
}
"""Commands of `stack` for deploy.sh, which have no option that a user would set, and hidden ones of
`run --detach`, `submit` and schedules.
"""


def _commands() -> list[tuple[str, Callable[..., object]]]:
    found = []
    for prefix, each in (("", app), ("stack ", stack)):
        for name in each:
            if name != "stack" and not name.startswith("-") and name not in WITHOUT_OPTIONS:
                command = each[name].default_command
                assert command is not None
                found.append((f"{prefix}{name}", command))
    return found


@pytest.mark.parametrize(("name", "command"), _commands(), ids=lambda each: str(each)[:20])
def test_each_command_has_examples(name: str, command: Callable[..., object]) -> None:
    """A line of the help holds one command only."""
    lines = (inspect.getdoc(command) or "").splitlines()
    examples = [line for line in lines if re.match(rf"    python -m driver {name}\b", line)]
    assert examples
    assert all(line.count("python -m driver") == 1 for line in examples)


@pytest.mark.parametrize("name", ["run", "bench"])
def test_many_options_stand_in_groups(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The job and its input come first."""
    app([name, "--help"])
    titles = re.findall(r"╭─ ([A-Z][\w ]+?) ─", capsys.readouterr().out)
    assert titles[0] == "Job and input"
    assert len(titles) >= 4
    assert "Parameters" not in titles
