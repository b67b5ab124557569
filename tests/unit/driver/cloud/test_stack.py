"""Terraform's outputs, and the names that Terraform and the driver share."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from python_terraform import TerraformCommandError

from driver.cloud.stack import (
    ServiceOutputs,
    Stack,
    StackIdentity,
    read_stack,
    stack_of_state,
)
from driver.cloud.terraform import STACK_VARIABLE, is_applied, is_deployed
from mapreduce.errors import FleetError
from services.stage.settings import Settings
from tests.unit.driver.samples import STACK_VALUES

TERRAFORM = Path(__file__).resolve().parents[4] / "terraform"


def _terraform(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, out: str, code: int = 0, err: str = ""
) -> None:
    """Write a state file, and a `terraform` that prints the given text."""
    (folder / "terraform.tfstate").write_text("{}")
    (folder / "out").write_text(out)
    (folder / "err").write_text(err)
    program = folder / "bin" / "terraform"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncat "{folder}/out"\ncat "{folder}/err" >&2\nexit {code}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def _outputs(**changes: Any) -> str:
    values = STACK_VALUES | changes
    return json.dumps(
        {
            name: {"sensitive": False, "type": "string", "value": value}
            for name, value in values.items()
        }
    )


def test_outputs_become_one_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output of `terraform output -json` becomes a `Stack`."""
    _terraform(tmp_path, monkeypatch, out=_outputs())
    stack = read_stack(tmp_path)
    assert stack is not None
    assert (stack.store, stack.services["mapper"].slots) == ("s3://mapreduce-1-eu-central-1", 2)


def test_an_output_that_is_null_is_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terraform keeps no output that is null: a stack without Cloud Map or guard is read all the
    same.
    """
    printed = json.loads(_outputs())
    for name in ("namespace", "guard"):
        del printed[name]
    _terraform(tmp_path, monkeypatch, out=json.dumps(printed))
    found = read_stack(tmp_path)
    assert found is not None
    assert (None, None) == (found.namespace, found.guard)


def test_nothing_deployed_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a state, or with a state without outputs, there is no stack."""
    assert read_stack(tmp_path) is None
    assert not is_applied(tmp_path)
    _terraform(tmp_path, monkeypatch, out="{}")
    assert read_stack(tmp_path) is None


def test_terraforms_own_words_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing terraform raises an error with its own message."""
    _terraform(
        tmp_path,
        monkeypatch,
        out="",
        code=1,
        err="╷\n│ Error: Backend initialization required\n│ \n",
    )
    with pytest.raises(FleetError, match="Backend initialization required"):
        read_stack(tmp_path)


def test_outputs_of_another_version_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An output that does not fit raises an error with its name and the remedy."""
    _terraform(tmp_path, monkeypatch, out=_outputs(address_kind="carrier pigeon"))
    with pytest.raises(FleetError, match=r"address_kind.*deploy\.sh"):
        read_stack(tmp_path)


def _resource(mode: str = "managed", **attributes: Any) -> dict[str, Any]:
    return {"mode": mode, "instances": [{"attributes": attributes}]}


@pytest.mark.parametrize("order", [1, -1])
def test_the_state_tells_whose_resources_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: int
) -> None:
    """Name and region are those of any resource that has both; no output is needed."""
    tags = {"Project": "mapreduce-on-fargate", "Stack": "books"}
    resources = [
        _resource("data", arn="arn:aws:ec2:us-west-2:1:vpc/vpc-1", tags_all={"Stack": "other"}),
        _resource(arn="arn:aws:s3:::books-1", tags_all=tags),
        _resource(arn=None, tags_all=None),
        _resource(id="rule"),
        _resource(arn="arn:aws:ecr:eu-central-1:1:repository/books/mapper", tags_all=tags),
    ]
    _terraform(tmp_path, monkeypatch, out=json.dumps({"resources": resources[::order]}))
    assert stack_of_state(tmp_path) == StackIdentity(name="books", region="eu-central-1")


def test_an_empty_state_holds_no_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a state, and with one that is empty or destroyed, there is no stack."""
    assert stack_of_state(tmp_path) is None
    _terraform(tmp_path, monkeypatch, out="")
    assert stack_of_state(tmp_path) is None
    (tmp_path / "out").write_text('{"version": 4, "outputs": {}, "resources": []}')
    assert stack_of_state(tmp_path) is None


def test_terraform_and_driver_agree_on_every_output() -> None:
    """The root module's outputs are the fields of `Stack` and `ServiceOutputs`."""
    text = (TERRAFORM / "outputs.tf").read_text()
    assert set(re.findall(r'^output "(\w+)"', text, re.MULTILINE)) == set(Stack.model_fields)
    services = text[text.index("described_services = {") : text.index("described_guard")]
    assert set(re.findall(r"^      (\w+)\s+=", services, re.MULTILINE)) == set(
        ServiceOutputs.model_fields
    )


ABOUT_THE_DRIVER = {
    *("driver_task_definition", "driver_subnets", "driver_security_group", "driver_log_group"),
}


def test_a_driver_in_aws_knows_every_output_but_those_about_itself() -> None:
    """The root hands the driver's container the fields of `Stack` under the name that is read."""
    text = (TERRAFORM / "driver.tf").read_text()
    handed = text[text.index("driver_stack = {") : text.index("\n  }\n}")]
    names = set(re.findall(r"^    (\w+)\s+=", handed, re.MULTILINE))
    assert set(Stack.model_fields) - ABOUT_THE_DRIVER == names
    module = (TERRAFORM / "modules" / "driver" / "main.tf").read_text()
    assert f"{STACK_VARIABLE} = jsonencode(var.stack)" in module


def test_the_stack_is_read_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With MAPREDUCE_STACK no Terraform is asked, and a null stands for what there is not."""
    _terraform(tmp_path, monkeypatch, out="", code=1, err="Error: asked")
    given = STACK_VALUES | {"namespace": None, "guard": None, "address_kind": "private"}
    monkeypatch.setenv(STACK_VARIABLE, json.dumps(given))
    stack = read_stack(tmp_path)
    assert stack is not None
    assert ("private", None, None) == (stack.address_kind, stack.guard, stack.namespace)
    assert (None, None) == (stack.driver_task_definition, stack.driver_subnets)
    assert is_deployed()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[1]", "no object of JSON"),
        ("{}", r"region.*deploy\.sh"),
        (json.dumps(STACK_VALUES | {"surprise": 1}), r"surprise.*deploy\.sh"),
        (json.dumps(STACK_VALUES | {"system": "albums"}), "a stack of albums"),
    ],
)
def test_an_environment_of_another_version_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    """What the container is given must be the outputs of this version, as Terraform's must."""
    monkeypatch.setenv(STACK_VARIABLE, text)
    with pytest.raises(FleetError, match=message):
        read_stack(tmp_path)


def test_the_task_definition_sets_only_settings_that_a_service_has() -> None:
    """Every MAPREDUCE_ variable of the task definition is a setting of the services."""
    text = "".join((TERRAFORM / name).read_text() for name in ("main.tf", "services.tf"))
    known = {f"MAPREDUCE_{name.upper()}" for name in Settings.model_fields}
    used = set(re.findall(r"MAPREDUCE_[A-Z_]+", text))
    assert used
    assert used - known == set()


# -- python-terraform ------------------------------------------------------------------------------


def _raising(monkeypatch: pytest.MonkeyPatch, folder: Path, raised: Exception) -> None:
    (folder / "terraform.tfstate").write_text("{}")

    def cmd(*_: Any, **__: Any) -> None:
        raise raised

    monkeypatch.setattr("shutil.which", lambda _: "/bin/terraform")
    monkeypatch.setattr("python_terraform.Terraform.cmd", cmd)


@pytest.mark.parametrize(
    "raised",
    [
        TerraformCommandError(1, "terraform output", out="", err="Error: no backend"),
        FileNotFoundError("terraform"),
        PermissionError("terraform"),
        OSError(12, "Cannot allocate memory"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    ],
    ids=lambda raised: type(raised).__name__,
)
def test_no_error_of_the_library_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception
) -> None:
    """Each error of python-terraform becomes a `FleetError` with the folder."""
    _raising(monkeypatch, tmp_path, raised)
    with pytest.raises(FleetError, match=str(tmp_path)) as caught:
        read_stack(tmp_path)
    assert raised is caught.value.__cause__


def test_outputs_that_are_no_json_are_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Output that is no JSON raises a `FleetError`."""
    (tmp_path / "terraform.tfstate").write_text("{}")
    monkeypatch.setattr("shutil.which", lambda _: "/bin/terraform")
    monkeypatch.setattr("python_terraform.Terraform.cmd", lambda *_, **__: (0, "hello {}", ""))
    with pytest.raises(FleetError, match="no JSON"):
        read_stack(tmp_path)


def test_terraform_that_takes_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terraform is killed at the timeout, and no process of it is left."""
    ended: list[str] = []

    class Endless:
        """A Terraform that ends only when it is killed."""

        returncode = -9

        def __init__(self, *_: object, **__: object) -> None:
            self._killed = threading.Event()

        def communicate(self) -> tuple[bytes, bytes]:
            """Block."""
            self._killed.wait(30)
            return b"", b""

        def kill(self) -> None:
            """Record the kill."""
            ended.append("killed")
            self._killed.set()

    (tmp_path / "terraform.tfstate").write_text("{}")
    monkeypatch.setattr("shutil.which", lambda _: "/bin/terraform")
    monkeypatch.setattr("driver.cloud.stack.TIMEOUT_S", 0.05)
    monkeypatch.setattr("driver.cloud.stack.subprocess.Popen", Endless)
    with pytest.raises(FleetError, match="took more than"):
        read_stack(tmp_path)
    assert ["killed"] == ended


def test_terraform_that_takes_too_long_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Terraform that exceeds the timeout raises an error with the folder."""
    release = threading.Event()
    (tmp_path / "terraform.tfstate").write_text("{}")
    monkeypatch.setattr("shutil.which", lambda _: "/bin/terraform")
    monkeypatch.setattr("driver.cloud.stack.TIMEOUT_S", 0.01)
    monkeypatch.setattr("python_terraform.Terraform.cmd", lambda *_, **__: release.wait(30))
    try:
        with pytest.raises(FleetError, match="took more than"):
            read_stack(tmp_path)
    finally:
        release.set()
