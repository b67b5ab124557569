"""Terraform's outputs, and the names that both sides must agree on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from driver.cloud.stack import ServiceOutputs, Stack, read_stack
from driver.cloud.terraform import is_applied
from mapreduce.errors import FleetError
from services.shell.settings import Settings
from tests.unit.driver.samples import STACK_VALUES

TERRAFORM = Path(__file__).resolve().parents[4] / "terraform"


def _terraform(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, out: str, code: int = 0, err: str = ""
) -> None:
    """A folder with a state, and a `terraform` that prints what it is told."""
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
    """What `terraform output -json` prints."""
    _terraform(tmp_path, monkeypatch, out=_outputs())
    stack = read_stack(tmp_path)
    assert stack is not None
    assert (stack.store, stack.services["mapper"].slots) == ("s3://mapreduce-1-eu-central-1", 2)


def test_nothing_deployed_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No state, or a state without outputs (after a destroy)."""
    assert read_stack(tmp_path) is None
    assert not is_applied(tmp_path)
    _terraform(tmp_path, monkeypatch, out="{}")
    assert read_stack(tmp_path) is None


def test_terraforms_own_words_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing terraform is an error with the line that says why."""
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
    """The output that does not fit, and what to do."""
    _terraform(tmp_path, monkeypatch, out=_outputs(address_kind="carrier pigeon"))
    with pytest.raises(FleetError, match=r"address_kind.*deploy\.sh"):
        read_stack(tmp_path)


def test_terraform_and_driver_agree_on_every_output() -> None:
    """The root's outputs are the stack's fields, and a service's are the service's."""
    text = (TERRAFORM / "outputs.tf").read_text()
    assert set(re.findall(r'^output "(\w+)"', text, re.MULTILINE)) == set(Stack.model_fields)
    services = text[text.index('output "services"') :]
    assert set(re.findall(r"^      (\w+)\s+=", services, re.MULTILINE)) == set(
        ServiceOutputs.model_fields
    )


def test_the_task_definition_sets_only_settings_that_a_service_has() -> None:
    """Every MAPREDUCE_ variable of the task definition is a field of the services' settings."""
    text = (TERRAFORM / "modules" / "service" / "main.tf").read_text()
    known = {f"MAPREDUCE_{name.upper()}" for name in Settings.model_fields}
    used = set(re.findall(r"MAPREDUCE_[A-Z_]+", text))
    assert used
    assert used - known == set()
