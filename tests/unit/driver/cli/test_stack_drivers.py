"""`stack end-drivers`: what destroy.sh does before it deletes the cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from driver.cli.stack_drivers import STARTERS
from driver.cloud import admission, driver_task
from driver.cloud import stack as stack_module
from driver.cloud.outputs import SystemStack
from driver.cloud.stack import Stack
from mapreduce.errors import FleetError
from tests.unit.driver.cli.conftest import Command
from tests.unit.driver.samples import ALBUMS_VALUES, STACK_VALUES

DRIVER = {"driver_task_definition": "arn:aws:ecs:eu-central-1:1:task-definition/mapreduce-driver:1"}
Calls = list[tuple[str, Any]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What was done, in order; two drivers live, and one has stopped."""
    found: Calls = []
    tasks = [
        {"taskArn": "a", "desiredStatus": "RUNNING", "startedBy": "run-1"},
        {"taskArn": "b", "desiredStatus": "STOPPED", "startedBy": "run-2"},
        {"taskArn": "c", "desiredStatus": "RUNNING", "startedBy": "run-3"},
    ]
    monkeypatch.setattr(
        admission, "delete_part", lambda _, parts: found.append(("delete", tuple(parts)))
    )

    def listed(*_: object) -> list[dict[str, str]]:
        found.append(("list", None))
        return tasks

    def stop(_: object, __: object, live: list[dict[str, str]]) -> None:
        found.append(("stop", [task["taskArn"] for task in live]))

    monkeypatch.setattr(driver_task, "driver_tasks", listed)
    monkeypatch.setattr(driver_task, "stop_drivers", stop)
    return found


def _deployed(monkeypatch: pytest.MonkeyPatch, found: object) -> None:
    monkeypatch.setattr(stack_module, "read_outputs", lambda _: found)


def test_drivers_are_stopped_once_nothing_starts_others(
    command: Command, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run that is ended so is named."""
    _deployed(monkeypatch, Stack.model_validate(STACK_VALUES | DRIVER))
    said = command("stack", "end-drivers")
    assert said.code == 0
    assert [("delete", STARTERS), ("list", None), ("stop", ["a", "c"])] == calls
    assert "run-1 is ended" in said.err
    assert "run-3 is ended" in said.err
    assert "run-2" not in said.err
    assert "2 drivers stopped" in said.err


@pytest.mark.parametrize(
    "found",
    [None, SystemStack.model_validate(ALBUMS_VALUES), Stack.model_validate(STACK_VALUES)],
    ids=["nothing deployed", "another system", "no driver"],
)
def test_without_drivers_nothing_is_done(
    command: Command, calls: Calls, monkeypatch: pytest.MonkeyPatch, found: object
) -> None:
    """destroy.sh calls it for every system."""
    _deployed(monkeypatch, found)
    assert 0 == command("stack", "end-drivers").code
    assert [] == calls


def test_a_failure_does_not_hold_up_the_deletion(
    command: Command, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, and Terraform tries."""

    def fails(_: Path) -> None:
        raise FleetError("the outputs are of another version")

    monkeypatch.setattr(stack_module, "read_outputs", fails)
    said = command("stack", "end-drivers")
    assert (0, True) == (said.code, "of another version" in said.err)


def test_the_starters_are_modules_of_the_root() -> None:
    """Terraform would delete nothing by a name that it does not know."""
    text = Path("terraform/driver.tf").read_text()
    for each in STARTERS:
        assert f'module "{each.removeprefix("module.")}"' in text
