"""The steps of `stack selftest`, with the engine in this process, and with scripted services."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from driver.cloud.aws import Aws
from driver.cloud.stack import Stack
from driver.doctor import selftest as checks
from driver.doctor.finding import Finding
from driver.doctor.selftest import Step
from driver.history.run_store import RunStore
from driver.plan.tasks import AnyTask
from driver.targets.prepare import open_runs
from driver.transport.base import Heard, unheard
from driver.transport.endpoint import Endpoint
from driver.transport.inline import InlineFleet, InlineTransport
from mapreduce.engine import TaskContext
from mapreduce.errors import FleetError
from mapreduce.storage import open_storage
from mapreduce.wire.messages import Done, Failed
from mapreduce_jobs.word_count import WordCount
from tests.unit.driver.cli.conftest import Command, command, home
from tests.unit.driver.fakes import failed
from tests.unit.driver.samples import STACK_VALUES

__all__ = ["command", "home"]

STACK = Stack.model_validate(STACK_VALUES)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """A store in a folder, and services that are no emulator's."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    return open_runs(f"file://{tmp_path}/store")


@pytest.fixture
def transport(tmp_path: Path) -> InlineTransport:
    """The engine, in this process."""
    return InlineTransport(
        TaskContext(
            storage=open_storage(),
            scratch=tmp_path / "scratch",
            memory_bytes=1 << 30,
            load_job=lambda _: WordCount(),
        )
    )


class _Refusing:
    """Services that refuse each task with an error."""

    def __init__(self, kind: str, message: str) -> None:
        self._answer = failed(kind, message)

    async def run(
        self, endpoint: Endpoint, task: AnyTask, heard: Heard = unheard
    ) -> AsyncGenerator[Done | Failed, None]:
        """Refuse."""
        yield self._answer


def _ran(runs: RunStore) -> str:
    step, run = checks.small_run(runs, "inline")
    assert "ok" == step.state
    assert run is not None
    return run


def test_a_small_run_is_compared_with_a_count(
    runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result of the run equals a count in this process; another result is a failure."""
    step, run = checks.small_run(runs, "inline")
    assert ("ok", True) == (step.state, str(run) in step.seen)
    monkeypatch.setattr(checks, "Counter", lambda _: {"the": 1})
    step, run = checks.small_run(runs, "inline")
    assert ("failed", "the counts are wrong") == (step.state, step.seen)
    assert run is not None


def test_a_run_that_cannot_start_is_a_failed_step(runs: RunStore) -> None:
    """A run without a stack is a failure with its message, and there is nothing to clean."""
    step, run = checks.small_run(runs, "aws")
    assert ("failed", None, True) == (step.state, run, "no deployed stack" in step.seen)


def test_a_lost_map_output_must_be_known_as_missing(
    runs: RunStore, transport: InlineTransport
) -> None:
    """The engine reports a missing map output as lost; an answer that it is denied, as S3 gives to
    a role that may not list, is a failure with the right that is missing.
    """
    run = _ran(runs)
    step = asyncio.run(checks.lost_output(runs, run, InlineFleet(), transport))
    assert ("ok", True) == (step.state, "known" not in step.remedy)
    denied = _Refusing("StorageError", "S3 denies access to x (403)")
    step = asyncio.run(checks.lost_output(runs, run, InlineFleet(), denied))
    assert ("failed", True) == (step.state, "s3:ListBucket" in step.remedy)


def test_an_input_outside_of_the_folders_must_be_denied(
    runs: RunStore, transport: InlineTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A splitter that reads an object outside of its folders is a failure, a denial is well, and an
    emulator is not asked; the object is deleted.
    """
    run = _ran(runs)
    step = asyncio.run(checks.denied_input(runs, run, InlineFleet(), transport))
    assert ("failed", True) == (step.state, "may read too much" in step.remedy)
    denied = _Refusing("StorageError", "S3 denies access to x (403)")
    step = asyncio.run(checks.denied_input(runs, run, InlineFleet(), denied))
    assert "ok" == step.state
    step = asyncio.run(checks.denied_input(runs, run, InlineFleet(), _Refusing("TaskLost", "x")))
    assert "failed" == step.state
    assert [] == list(runs.storage.list(f"{runs.store}/{checks.DENIED_FOLDER}"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    step = asyncio.run(checks.denied_input(runs, run, InlineFleet(), transport))
    assert ("not asked", checks.NO_RIGHTS) == (step.state, step.seen)


@pytest.mark.parametrize(("listed", "state"), [(3, "ok"), (2, "failed")])
def test_cloud_map_must_list_what_ecs_runs(listed: int, state: str) -> None:
    """Cloud Map must list as many tasks of each service as ECS runs."""
    aws = Aws("eu-central-1")
    instances = [{"InstanceId": str(at), "Attributes": {}} for at in range(listed)]
    with Stubber(aws.discovery) as discovery, Stubber(aws.ecs) as ecs:
        for _ in STACK.services if state == "ok" else range(1):
            discovery.add_response("discover_instances", {"Instances": instances})
            ecs.add_response("describe_services", {"services": [{"runningCount": 3}]})
        assert state == checks.cloud_map(STACK, aws).state


def test_logs_are_waited_for() -> None:
    """CloudWatch is asked until it shows a line, for a minute and a half; a denial is at once."""
    time = [0.0]

    def sleep(seconds: float) -> None:
        time[0] += seconds

    def lines(shown_at: float) -> Any:
        return lambda: 4 if time[0] >= shown_at else 0

    assert "ok" == checks.logs(lines(30), lambda: time[0], sleep).state
    time[0] = 0.0
    assert "failed" == checks.logs(lines(1e9), lambda: time[0], sleep).state
    assert checks.LOGS_S <= time[0] <= checks.LOGS_S + checks.LOOK_S

    def denied() -> int:
        raise FleetError("may not do FilterLogEvents")

    step = checks.logs(denied, lambda: time[0], sleep)
    assert ("failed", True) == (step.state, "logs:FilterLogEvents" in step.remedy)


def _scripted(monkeypatch: pytest.MonkeyPatch, runs: RunStore, well: bool) -> None:
    found = [Finding("bucket", ok=well, seen="read", remedy="repair it")]
    monkeypatch.setattr(checks, "examine_stack", lambda _: iter(found))
    monkeypatch.setattr(checks, "cloud_map", lambda *_: Step("Cloud Map", "ok", "lists"))
    monkeypatch.setattr(checks, "open_runs", lambda _: runs)
    monkeypatch.setattr(checks, "log_lines", lambda *_: iter([1]))
    run = checks.small_run
    monkeypatch.setattr(checks, "small_run", lambda runs: run(runs, "inline"))

    async def ask(*_: object) -> list[Step]:
        return [Step("denied input", "ok", "denied")]

    monkeypatch.setattr(checks, "_ask_services", ask)


def test_the_steps_in_their_order(runs: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps are done in order, what takes a hand is named, and nothing of the run stays."""
    _scripted(monkeypatch, runs, well=True)
    steps = list(checks.selftest(STACK, Aws("eu-central-1")))
    assert ["bucket", "Cloud Map", "small run", "denied input", "logs"] == [
        step.name for step in steps[:5]
    ]
    assert list(checks.MANUAL) == steps[5:]
    assert all(step.remedy for step in checks.MANUAL)
    assert [] == runs.runs()
    assert [] == list(runs.storage.list(f"{runs.store}/reduce"))


def test_a_stack_that_is_not_well_ends_the_test(
    runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a step of the stack is not well, nothing is run on it."""
    _scripted(monkeypatch, runs, well=False)
    steps = list(checks.selftest(STACK, Aws("eu-central-1")))
    assert [("bucket", "failed"), ("all others", "not asked")] == [
        (step.name, step.state) for step in steps
    ]


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("not asked", 0), ("failed", 3)])
def test_the_command_ends_with_the_worst_step(
    command: Command, monkeypatch: pytest.MonkeyPatch, state: Any, code: int
) -> None:
    """A failed step is exit code 3; each step is shown with its remedy, or as one document."""

    def steps(*_: object) -> Iterator[Step]:
        yield Step("bucket", "ok", "read")
        yield Step("logs", state, "some lines", "look again")

    monkeypatch.setattr("driver.cloud.stack.read_stack", lambda _: STACK)
    monkeypatch.setattr(checks, "selftest", steps)
    monkeypatch.setattr("driver.cli.stack_checks._started", lambda *_: nullcontext())
    said = command("stack", "selftest")
    assert (code, True) == (said.code, "look again" in said.out)
    document = command("stack", "selftest", "--json").document
    assert (code == 0, state) == (document["well"], document["steps"][1]["state"])
    json.dumps(document)


def test_without_a_stack_there_is_nothing_to_test(command: Command) -> None:
    """Without a stack the command names deploy.sh."""
    assert (3, True) == ((said := command("stack", "selftest")).code, "deploy.sh" in said.err)
