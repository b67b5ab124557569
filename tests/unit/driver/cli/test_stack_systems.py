"""The steps of deploy.sh for another system than MapReduce, with a scripted AWS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from driver.cloud import leftovers, terraform
from driver.cloud.outputs import SystemStack
from driver.cloud.stack import StackIdentity
from driver.doctor import Finding
from tests.unit.driver.cli.conftest import Command
from tests.unit.driver.samples import ALBUMS_VALUES

DESCRIPTION = """
name = "albums"
title = "Albums"
sources = ["code.py"]
next = ["load       {command} on {name} in {region}"]

[images.albums]
dockerfile = "examples/albums/Dockerfile"

[services.albums]
count = 1
cpu = 256
memory = 512
count_variable = "album_count"
url = "http://{address}:{port}/albums"
"""
VARIABLES = "".join(
    f'variable "{name}" {{}}\n' for name in ("album_count", "region", "tags", "version")
)


@pytest.fixture
def albums(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one more system; the folder of its Terraform."""
    folder = home / "examples" / "albums" / "terraform"
    folder.mkdir(parents=True)
    (folder / "system.toml").write_text(DESCRIPTION)
    (folder / "variables.tf").write_text(VARIABLES)
    (home / "code.py").write_text("x = 1\n")
    monkeypatch.setattr(terraform, "CHECKOUT", home)
    monkeypatch.setattr("driver.cli.stack.ROOT", home)
    for name in ("MAPREDUCE_TERRAFORM", "AWS_PROFILE", "MAPREDUCE_BUILD_OPTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("driver.cloud.own_address.own_address", lambda: None)
    return folder


def _settings(command: Command, *options: str) -> Any:
    return command("stack", "settings", "--system", "albums", "--region", "eu-west-1", *options)


def test_the_folder_of_a_system_is_printed(command: Command, albums: Path) -> None:
    """`folder` prints the folder alone; a wrong name or description is an error before a step."""
    assert f"{albums}\n" == command("stack", "folder", "--system", "albums").out
    said = command("stack", "folder", "--system", "album")
    assert (2, True) == (said.code, "do you mean albums?" in said.err)
    (albums / "system.toml").write_text("name = 1")
    said = command("stack", "folder", "--system", "albums")
    assert (2, True) == (said.code, "system.toml: name" in said.err)


def test_settings_of_a_system_are_beside_its_terraform(command: Command, albums: Path) -> None:
    """The settings have the system's name, and the variables of --var with their types."""
    said = _settings(command, "--var", "album_count=3", "--var", 'tags={"a": "b"}')
    assert (0, True) == (said.code, "stack albums in eu-west-1" in said.out)
    written = json.loads((albums / "deploy.next.tfvars.json").read_text())
    assert ("albums", 3, {"a": "b"}) == tuple(
        written[name] for name in ("name", "album_count", "tags")
    )
    assert "linux/" in command("stack", "platform", "--system", "albums").out


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("1.10", "1.10"),
        ("1.0", "1.0"),
        ("1e3", "1e3"),
        ("-0", "-0"),
        ("007", "007"),
        ("NaN", "NaN"),
        ("true", True),
        ('"3"', "3"),
        ("[1, 1.10]", [1, "1.10"]),
        ('{"a": 2.50}', {"a": "2.50"}),
        ("", ""),
        ("v1", "v1"),
    ],
)
def test_a_value_reaches_terraform_as_it_is_written(
    command: Command, albums: Path, text: str, value: object
) -> None:
    """A version 1.10 does not become the number 1.1; Terraform makes numbers of texts."""
    assert 0 == _settings(command, "--var", f"version={text}").code
    written = json.loads((albums / "deploy.next.tfvars.json").read_text())
    assert repr(value) == repr(written["version"])  # 1 and true are no equals


def test_null_removes_a_setting(command: Command, albums: Path) -> None:
    """What an earlier deployment has set stays until --var NAME=null; then the default holds."""
    written = albums / "deploy.next.tfvars.json"
    assert 0 == _settings(command, "--var", "version=2", "--var", "album_count=3").code
    assert 0 == _settings(command, "--var", "version=null", "--allow", "192.0.2.1/32").code
    found = json.loads(written.read_text())
    assert ("version" in found, found["album_count"]) == (False, 3)
    assert 0 == _settings(command, "--var", "version=null").code
    assert ["192.0.2.1/32"] == json.loads(written.read_text())["allowed_cidrs"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--mappers", "3"], "--mappers: Albums has none; use --var NAME=VALUE"),
        (["--var", "albums=3"], "Albums has no variable of that name"),
        (["--var", "album_count"], "write --var name=value"),
        (["--var", "region=x"], "--var region: use --region"),
    ],
)
def test_what_a_system_does_not_have_is_refused(
    command: Command, albums: Path, options: list[str], why: str
) -> None:
    """Options of MapReduce, and variables that the system does not have, write nothing."""
    said = _settings(command, *options)
    assert (2, True) == (said.code, why in said.err)
    assert not (albums / "deploy.next.tfvars.json").exists()


def test_another_stack_is_refused_with_the_systems_command(
    command: Command, albums: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remedy for a stack in the way destroys that system."""
    mine = StackIdentity(name="other", region="eu-west-1")
    monkeypatch.setattr("driver.cloud.stack.stack_of_state", lambda _: mine)
    said = _settings(command)
    assert (2, True) == (said.code, "run ./destroy.sh --system albums first" in said.err)


def test_a_step_without_settings_names_the_systems_command(command: Command, albums: Path) -> None:
    """Without a deployment the steps name the command that begins one."""
    said = command("stack", "images", "--system", "albums")
    assert (2, True) == (said.code, "./deploy.sh --system albums writes it" in said.err)
    said = command("stack", "wait", "--system", "albums")
    assert (3, True) == (said.code, "run ./deploy.sh --system albums" in said.err)
    (albums / "backend_override.tf.json").write_text("{}")
    said = command("stack", "settings", "--system", "albums")
    assert (2, True) == (said.code, "remote-state BUCKET --system albums --name" in said.err)


def test_leftovers_are_those_of_the_systems_services(
    command: Command, albums: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost stack of another system is looked for by the names of its own services."""
    asked: list[object] = []

    def find(name: str, services: list[str], _: object) -> list[object]:
        asked.extend((name, services))
        return []

    monkeypatch.setattr(leftovers, "find_leftovers", find)
    options = ("--system", "albums", "--name", "a", "--region", "eu-west-1")
    assert 0 == command("stack", "leftovers", *options).code
    assert ["a", ["albums"]] == asked


@pytest.fixture
def deployed(albums: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployed stack of albums."""
    stack = SystemStack.model_validate(ALBUMS_VALUES)
    monkeypatch.setattr("driver.cloud.stack.read_outputs", lambda _: stack)


def test_wait_asks_ecs(command: Command, deployed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """`wait` looks until ECS says that all is well; it calls no task."""
    looks = [False, True]
    monkeypatch.setattr(
        "driver.doctor.examine_services",
        lambda *_: [Finding("albums service", looks.pop(0), "1 of 2 tasks run")],
    )
    monkeypatch.setattr("time.sleep", lambda _: None)
    said = command("stack", "wait", "--system", "albums")
    assert (0, "3 tasks run, image abc\n") == (said.code, said.out)
    assert "waiting: albums service: 1 of 2" in said.err


def test_the_cost_has_the_addresses_and_the_next_commands(
    command: Command, deployed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a deployment the URL of each task is printed, and the lines of the description."""
    monkeypatch.setattr(
        "driver.cloud.addresses.addresses_of", lambda *_: ["192.0.2.1", "192.0.2.2"]
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    said = command("stack", "cost", "--system", "albums").out
    assert "address    http://192.0.2.1:8080/albums\n" in said
    assert "address    http://192.0.2.2:8080/albums\n" in said
    assert "about $0.00 a month when stopped" in said
    assert said.endswith("python -m driver on albums in eu-central-1\n")


@pytest.mark.parametrize("step", ["selftest", "rotate-key", "start"])
def test_what_only_mapreduce_has_is_refused(
    command: Command, albums: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """In the folder of another system the commands of MapReduce say so in one line."""
    monkeypatch.setenv("MAPREDUCE_TERRAFORM", str(albums))
    (albums / "terraform.tfstate").write_text("{}")
    values = {name: {"value": value} for name, value in ALBUMS_VALUES.items()}
    monkeypatch.setattr("driver.cloud.stack._json", lambda *_: values)
    said = command("stack", step)
    assert (3, True) == (said.code, "this command is for MapReduce" in said.err)
