"""A stack with drivers in AWS whose bucket is in memory, and whose ECS notes what it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from driver.cloud import driver_task
from driver.cloud.stack import Stack
from driver.forecast.sampling import sample
from driver.forecast.sampling.task import measured
from driver.history.run_store import RunStore
from driver.targets import planning, prepare, submitting
from mapreduce.errors import FleetError
from mapreduce.storage.local import LocalStorage
from mapreduce.storage.router import RoutedStorage
from tests.simulation.memory_store import MemoryStorage
from tests.unit.driver.samples import STACK_VALUES

STACK = Stack.model_validate(
    STACK_VALUES
    | {
        "driver_task_definition": "arn:aws:ecs:eu-central-1:1:task-definition/mapreduce-driver:3",
        "driver_subnets": ["subnet-1"],
        "driver_security_group": "sg-1",
        "driver_log_group": "/ecs/mapreduce/driver",
    }
)


@dataclass
class FakeDrivers:
    """The tasks of drivers: `asked` has each request's run, command and token.

    A request with a known token is answered with its task, as ECS does. With `fails`, none starts.
    """

    runs: RunStore
    asked: list[tuple[str, list[str], str]] = field(default_factory=list)
    fails: str = ""
    stopped: int = 0

    def start(self, _: Stack, __: Any, run: str, command: list[str], token: str) -> str:
        """Start a task, as `start_driver_task`."""
        self.asked.append((run, command, token))
        if self.fails:
            raise FleetError(f"AWS started no driver: {self.fails}")
        return f"task-of-{token}"

    def of(self, _: Stack, __: Any, run: str) -> tuple[list[str], list[str]]:
        """Return the tasks of a run, as `drivers_of`."""
        tasks = sorted({f"task-of-{token}" for of, _, token in self.asked if of == run})
        return tasks[self.stopped :], tasks[: self.stopped]


def deploy(monkeypatch: pytest.MonkeyPatch) -> FakeDrivers:
    """Deploy the stack for the time of a test."""
    memory = MemoryStorage(lambda *_: "", vouching=True)
    storage = RoutedStorage(lambda root: LocalStorage() if root == "file://" else memory)
    opened = prepare._runs_in

    def runs_in(text: str, stack: Stack | None, given: str | None) -> tuple[RunStore, Any]:
        if not text.startswith("s3://"):
            return opened(text, stack, given)
        return RunStore(storage, text, given), object()

    drivers = FakeDrivers(RunStore(storage, STACK.store))
    monkeypatch.setattr(prepare, "_runs_in", runs_in)
    monkeypatch.setattr(prepare, "check_regions", lambda *_: None)
    monkeypatch.setattr("driver.cloud.input_buckets.check_encryption", lambda *_: [])
    for module in (prepare, submitting):
        monkeypatch.setattr(module, "read_stack", lambda _: STACK)
    monkeypatch.setattr("driver.cloud.aws.Aws", lambda _: object())
    monkeypatch.setattr(driver_task, "start_driver_task", drivers.start)
    monkeypatch.setattr(driver_task, "drivers_of", drivers.of)
    monkeypatch.setattr(planning, "_counts_now", lambda _: None)
    monkeypatch.setattr(sample, "_asked", measured)
    return drivers
