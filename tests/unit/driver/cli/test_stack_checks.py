"""`stack allow`, with a Terraform that notes what it is asked."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from driver.cloud.admission import RULE, rules_of
from driver.cloud.stack import Stack
from tests.unit.driver.cli.conftest import Command
from tests.unit.driver.samples import STACK_VALUES

ROOT = Path(__file__).resolve().parents[4]
SETTINGS = {
    "region": "eu-central-1",
    "name": "mapreduce",
    "image_tag": "abc",
    "allowed_cidrs": ["10.0.0.0/8", "203.0.113.7/32"],
    "spot_share": 50,
}


@pytest.fixture
def folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A deployed stack with its settings, and this machine's address."""
    made = home / "terraform"
    made.mkdir()
    (made / "deploy.auto.tfvars.json").write_text(json.dumps(SETTINGS))
    monkeypatch.setattr(
        "driver.cloud.stack.read_stack", lambda _: Stack.model_validate(STACK_VALUES)
    )
    monkeypatch.setattr("driver.cloud.own_address.own_address", lambda: "198.51.100.9")
    return made


@pytest.fixture
def terraform(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `terraform` on the path, which notes its arguments and the settings that it would read; it
    fails if there is a file `fails`.
    """
    program = home / "bin" / "terraform"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        f'printf "%s\\n" "$@" > {home}/arguments\n'
        f"cat {home}/terraform/deploy.auto.tfvars.json > {home}/read\n"
        f"[ ! -e {home}/fails ] || {{ echo '\u2502 Error: UnauthorizedOperation' >&2; exit 1; }}\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return home


def _allowed(folder: Path) -> Any:
    return json.loads((folder / "deploy.auto.tfvars.json").read_text())["allowed_cidrs"]


def test_this_machines_address_replaces_the_one_before(
    command: Command, folder: Path, terraform: Path
) -> None:
    """Without a range, the address of this machine replaces single addresses; only the rules are
    applied, with the new settings, which keep all other variables.
    """
    said = command("stack", "allow")
    assert (0, "") == (said.code, said.out)
    assert "callable by 10.0.0.0/8, 198.51.100.9/32" in said.err
    assert "no longer by 203.0.113.7/32" in said.err
    applied = json.loads((terraform / "read").read_text())
    assert SETTINGS | {"allowed_cidrs": ["10.0.0.0/8", "198.51.100.9/32"]} == {
        name: value for name, value in applied.items() if name != "architecture"
    }
    chdir, verb, *options = (terraform / "arguments").read_text().splitlines()
    assert [f"-chdir={folder}", "apply"] == [chdir, verb]
    targets = [each.removeprefix("-target=") for each in options if each.startswith("-target=")]
    assert rules_of(["splitter", "mapper", "reducer"]) == targets
    assert {"-auto-approve", "-input=false", "-no-color"} == {*options} - {
        f"-target={each}" for each in targets
    }


def test_ranges_replace_all_ranges(command: Command, folder: Path, terraform: Path) -> None:
    """Given ranges replace those of before; an invalid one changes nothing."""
    assert 0 == command("stack", "allow", "192.0.2.0/24", "198.51.100.1/32").code
    assert ["192.0.2.0/24", "198.51.100.1/32"] == _allowed(folder)
    said = command("stack", "allow", "192.0.2.0/33")
    assert (2, True) == (said.code, "192.0.2.0/33" in said.err)
    assert ["192.0.2.0/24", "198.51.100.1/32"] == _allowed(folder)


def test_a_failed_apply_leaves_the_settings(
    command: Command, folder: Path, terraform: Path
) -> None:
    """When Terraform fails, its error is shown and the settings are those of before."""
    (terraform / "fails").touch()
    before = (folder / "deploy.auto.tfvars.json").read_bytes()
    said = command("stack", "allow")
    assert (3, True) == (said.code, "UnauthorizedOperation; then run this again" in said.err)
    assert before == (folder / "deploy.auto.tfvars.json").read_bytes()
    assert "198.51.100.9/32" in (terraform / "read").read_text()


def test_without_a_stack_or_an_address_nothing_changes(
    command: Command, folder: Path, terraform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown address has to be named, and without a stack there are no rules."""
    monkeypatch.setattr("driver.cloud.own_address.own_address", lambda: None)
    said = command("stack", "allow")
    assert (2, True) == (said.code, "python -m driver stack allow $(curl" in said.err)
    monkeypatch.setattr("driver.cloud.stack.read_stack", lambda _: None)
    said = command("stack", "allow", "192.0.2.0/24")
    assert (3, True) == (said.code, "./deploy.sh" in said.err)
    assert SETTINGS["allowed_cidrs"] == _allowed(folder)
    assert not (terraform / "arguments").exists()


def test_the_rules_are_those_of_the_module() -> None:
    """The resource that `stack allow` applies is the one, and the only one, that holds
    `allowed_cidrs`.
    """
    texts = [path.read_text() for path in (ROOT / "terraform/modules").rglob("*.tf")]
    blocks = [
        match
        for text in texts
        for match in re.findall(r'resource "(\w+)" "(\w+)" \{\n(.*?)\n\}', text, re.DOTALL)
    ]
    holding = [f"{kind}.{name}" for kind, name, body in blocks if "var.allowed_cidrs" in body]
    assert [RULE] == holding
