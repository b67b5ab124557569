"""Where the tasks of the deployed album service answer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from examples import deployed as stacks
from examples.albums import addresses
from examples.albums.addresses import Deployed, deployed, look_up
from mapreduce.errors import UsageError

STACK = Deployed.model_validate({"region": "eu-central-1", "cluster": "albums", "services": {}})


def test_each_task_has_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """The addresses are those of the one service."""
    monkeypatch.setattr(stacks, "look_up", lambda _, role: lambda: [f"{role}:1"])
    assert look_up(STACK)() == ["http://albums:1"]


def test_a_load_balancer_is_the_one_address() -> None:
    """With a load balancer no task is looked up."""
    stack = STACK.model_copy(update={"load_balancer_url": "http://lb"})
    assert look_up(stack)() == ["http://lb"]


def test_a_folder_without_a_stack_is_refused(tmp_path: Path) -> None:
    """The message says how to deploy the album service."""
    with pytest.raises(UsageError, match=r"deploy\.sh --system albums"):
        deployed(tmp_path)


def test_terraform_has_the_outputs_that_are_read() -> None:
    """The names are those of the root's outputs."""
    text = (addresses.TERRAFORM / "outputs.tf").read_text()
    assert set(Deployed.model_fields) <= set(re.findall(r'^output "(\w+)"', text, re.MULTILINE))
