"""Each step of `doctor`: well, or not well with the remedy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest

from driver import doctor
from driver.cloud.aws import Aws
from driver.cloud.ecs import EcsFleet
from driver.cloud.stack import Stack
from driver.doctor import Finding
from driver.transport import http
from driver.transport.endpoint import ROLES, Endpoint
from mapreduce import native
from mapreduce.errors import FleetError, TaskLost
from mapreduce.wire.messages import Cost, Done, Failed, SplitResult, StageName
from tests.unit.driver.fakes import ANY_ATTEMPT, failed
from tests.unit.driver.samples import STACK_VALUES

STACK = Stack.model_validate(STACK_VALUES)


@pytest.fixture(autouse=True)
def nothing_deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No stack, and invented credentials."""
    monkeypatch.setenv("MAPREDUCE_TERRAFORM", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setattr("driver.cloud.own_address.own_address", lambda: "198.51.100.9")


def _steps(findings: Iterator[Finding]) -> list[tuple[str, bool]]:
    return [(finding.step, finding.ok) for finding in findings]


# -- this machine ----------------------------------------------------------------------------------


def test_without_a_stack_the_examination_ends_with_this_machine() -> None:
    """Without a stack the examination covers only this machine, and that is well."""
    steps = _steps(doctor.examine())
    assert ["python", "native extension", "scratch disk", "stack"] == [name for name, _ in steps]
    assert steps[-1][1]


def test_a_stack_that_cannot_be_read_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack that cannot be read ends the examination, with the alternative."""

    def broken(_: Path) -> None:
        raise FleetError("no terraform")

    monkeypatch.setattr(doctor, "read_stack", broken)
    last = list(doctor.examine())[-1]
    assert ("stack", False, "no terraform") == (last.step, last.ok, last.seen)
    assert "--target local" in last.remedy


def test_a_stack_is_examined_after_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployed stack is examined after this machine."""
    monkeypatch.setattr(doctor, "read_stack", lambda _: STACK)
    monkeypatch.setattr(
        doctor, "examine_stack", lambda _: iter([Finding(step="bucket", ok=True, seen="")])
    )
    *_, stack, last = doctor.examine()
    assert "mapreduce in eu-central-1, images abc" == stack.seen
    assert "bucket" == last.step


def test_an_old_interpreter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that is too old is not well."""
    assert doctor.python().ok
    monkeypatch.setattr(sys, "version_info", (3, 10, 9, "final", 0))
    found = doctor.python()
    assert (False, "3.10.9") == (found.ok, found.seen)


def test_without_the_native_extension_results_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing native extension is well, with the command that builds it."""
    monkeypatch.setattr(native, "extension", None)
    monkeypatch.setattr(native, "why_not", "not built")
    found = doctor.native_extension()
    assert found.ok
    assert "not built" in found.seen
    assert doctor.BUILD_IT in found.seen
    monkeypatch.setattr(native, "extension", object())
    assert "in use" == doctor.native_extension().seen


@pytest.mark.parametrize(("free", "well"), [(1 << 30, True), ((1 << 30) - 1, False)])
def test_a_gibibyte_must_be_free(monkeypatch: pytest.MonkeyPatch, free: int, well: bool) -> None:
    """The folder of temporary files needs a free GiB."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    assert well == doctor.scratch().ok


# -- before a deployment ---------------------------------------------------------------------------


def _programs(monkeypatch: pytest.MonkeyPatch, **outputs: str | None) -> None:
    monkeypatch.setattr(doctor, "_output_of", lambda *command: outputs[command[0]])


@pytest.mark.parametrize(
    ("output", "well", "seen"),
    [
        ("Terraform v1.11.0\non linux_amd64", True, "v1.11.0"),
        ("Terraform v2.0.0", True, "v2.0.0"),
        ("Terraform v1.9.8", False, "v1.9.8"),
        (None, False, "not found"),
    ],
)
def test_terraform_must_be_new_enough(
    monkeypatch: pytest.MonkeyPatch, output: str | None, well: bool, seen: str
) -> None:
    """Terraform's version is compared by number: 1.9 is older than 1.11."""
    _programs(monkeypatch, terraform=output)
    found = doctor.terraform()
    assert (well, seen) == (found.ok, found.seen)


@pytest.mark.parametrize(
    ("output", "where", "well", "remedy"),
    [
        ("27.0", "/usr/bin/docker", True, "start"),
        (None, "/usr/bin/docker", False, "start Docker"),
        ("", "/usr/bin/docker", False, "start Docker"),
        (None, None, False, "install Docker"),
    ],
)
def test_docker_must_answer(
    monkeypatch: pytest.MonkeyPatch, output: str | None, where: str | None, well: bool, remedy: str
) -> None:
    """Docker must be installed and running; each has its remedy."""
    _programs(monkeypatch, docker=output)
    monkeypatch.setattr("shutil.which", lambda _: where)
    found = doctor.docker()
    assert (well, True) == (found.ok, remedy in found.remedy)


def test_a_program_that_cannot_run_has_no_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is missing, fails or hangs gives no output."""
    answers: list[Any] = [
        FileNotFoundError(),
        subprocess.TimeoutExpired("x", 1),
        SimpleNamespace(returncode=1, stdout="out"),
        SimpleNamespace(returncode=0, stdout=" out\n"),
    ]

    def run(*_: Any, **__: Any) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("subprocess.run", run)
    assert [None, None, None, "out"] == [doctor._output_of("x") for _ in range(4)]


class _Answers:
    """An AWS client that gives the same answer to every call."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def __getattr__(self, name: str) -> Any:
        def call(**_: Any) -> Any:
            if isinstance(self._answer, Exception):
                raise self._answer
            return self._answer

        return call


IDENTITY = _Answers({"Account": "1", "Arn": "arn:me"})


def _aws(**clients: Any) -> Any:
    return SimpleNamespace(region="eu-central-1", **clients)


def _quota(value: float) -> Any:
    return _Answers({"Quota": {"Value": value}})


@pytest.mark.parametrize(
    ("quotas", "needed", "well"),
    [
        (_quota(6.0), 6.0, True),
        (_quota(6.0), 6.5, False),
        (_Answers(FleetError("denied")), 6.5, True),
        (_Answers({"Quota": {}}), 6.5, True),
    ],
)
def test_the_quota_must_hold_all_tasks(quotas: Any, needed: float, well: bool) -> None:
    """The quota must hold all tasks; an unreadable quota is well."""
    assert well == doctor.fargate_quota(_aws(quotas=quotas), needed).ok


def test_the_account_of_the_credentials() -> None:
    """The credentials show the account, or why there is none."""
    found = doctor.credentials(_aws(sts=IDENTITY))
    assert (True, "account 1, arn:me") == (found.ok, found.seen)
    assert not doctor.credentials(_aws(sts=_Answers(FleetError("expired")))).ok


@pytest.mark.parametrize(
    ("region", "sts", "expected"),
    [
        (None, IDENTITY, [("region", False)]),
        ("r", IDENTITY, [("region", True), ("credentials", True), ("Fargate quota", True)]),
        ("r", _Answers(FleetError("expired")), [("region", True), ("credentials", False)]),
    ],
)
def test_a_deployment_stops_at_the_first_step_that_others_stand_on(
    monkeypatch: pytest.MonkeyPatch, region: str | None, sts: Any, expected: list[tuple[str, bool]]
) -> None:
    """A deployment's examination ends at the first step on which others depend."""
    _programs(monkeypatch, terraform="Terraform v1.12.0", docker="27")
    made = SimpleNamespace(region=region, sts=sts, quotas=_quota(100))
    monkeypatch.setattr("driver.cloud.aws.Aws", lambda _: made)
    steps = _steps(doctor.examine_before_deploy(region, 4))
    assert ["python", "terraform", "docker"] == [name for name, _ in steps[:3]]
    assert expected == steps[3:]


def test_a_session_that_cannot_be_made_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that cannot be created is a finding, not an error."""
    _programs(monkeypatch, terraform=None, docker=None)

    def broken(_: str | None) -> None:
        raise FleetError("no such profile")

    monkeypatch.setattr("driver.cloud.aws.Aws", broken)
    for findings in (doctor.examine_before_deploy(None, 1), doctor.examine_stack(STACK)):
        assert ("credentials", False) == _steps(findings)[-1]


# -- the stack -------------------------------------------------------------------------------------


DEFINITION = STACK.services["mapper"].task_definition_arn


class _Ecs:
    """Describes each service with its deployed version."""

    def describe_services(self, services: Sequence[str], **_: Any) -> dict[str, Any]:
        """Return the one service asked for."""
        (name,) = services
        arn = DEFINITION.replace("mapper", name)
        deployment = {"taskDefinition": arn, "rolloutState": "COMPLETED"}
        return {
            "services": [{"runningCount": 3, "desiredCount": 3, "deployments": [deployment]}],
        }


def _services(
    running: int, desired: int, *messages: str, state: str = "COMPLETED", version: str = DEFINITION
) -> Any:
    deployment = {"taskDefinition": version, "rolloutState": state, "rolloutStateReason": "why"}
    found = {
        "deployments": [deployment],
        "runningCount": running,
        "desiredCount": desired,
        "events": [{"message": each} for each in messages],
    }
    return _Answers({"services": [found]})


@pytest.mark.parametrize(
    ("ecs", "well", "seen"),
    [
        (_services(3, 3), True, "3 of 3 tasks run"),
        (_services(1, 3, "no capacity", "older"), False, "1 of 3 tasks run: no capacity"),
        (_services(1, 3), False, "1 of 3 tasks run: ECS has said nothing yet"),
        (_services(0, 0), False, "0 of 0 tasks run: it is stopped"),
        (
            _services(3, 3, version=f"{DEFINITION}0"),
            False,
            "it runs mapreduce-mapper:70, and not mapreduce-mapper:7: why",
        ),
        (_services(3, 3, state="FAILED"), False, "mapreduce-mapper:7 does not start: why"),
        (_Answers({"services": []}), False, "there is no service mapper; run ./deploy.sh"),
        (_Answers(FleetError("denied")), False, "denied"),
    ],
)
def test_a_service_must_have_its_tasks(ecs: Any, well: bool, seen: str) -> None:
    """A service with too few tasks, or of another version, is not well, with ECS's reason."""
    found = doctor.service(STACK, _aws(ecs=ecs), "mapper")
    assert (well, seen) == (found.ok, found.seen)
    assert well or found.remedy
    assert ("does not start" in seen) == found.final


def test_a_readable_bucket_shows_its_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A readable bucket shows the number of its runs."""
    storage = SimpleNamespace(list=lambda url: iter([url, url]))
    monkeypatch.setattr("mapreduce.storage.open_storage", lambda **_: storage)
    seen = doctor._bucket(STACK, _aws(credential_provider=lambda: None))
    assert f"{STACK.store} can be read (2 records of runs)" == seen


class _Transport:
    """A transport whose services answer or are silent."""

    silent: frozenset[str] = frozenset()
    last: Done | Failed | None = None
    lost = False

    def __init__(self, key: str, heartbeat_timeout_s: float) -> None:
        assert "key" == key

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def health(self, endpoint: Endpoint) -> None:
        """Raise for silent endpoints."""
        if endpoint.name in self.silent:
            raise TaskLost(f"{endpoint.name} is silent")

    async def run(self, endpoint: Endpoint, task: Any) -> AsyncGenerator[Done | Failed, None]:
        """Yield only the last event."""
        assert STACK.store == task.store
        if self.lost:
            raise TaskLost("cable cut")
        if self.last:
            yield self.last


COST = Cost(seconds=0.1, peak_memory_bytes=1)
DONE = Done(
    attempt=ANY_ATTEMPT, result=SplitResult(splits=(), bytes_read=0, bytes_written=0, cost=COST)
)


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> dict[StageName, list[Endpoint]]:
    """The endpoints of each stage, with a fake transport."""
    found = {stage: [Endpoint(f"{stage}-{n}", "", 1) for n in (0, 1)] for stage in ROLES}

    async def endpoints(_: EcsFleet, stage: StageName) -> Sequence[Endpoint]:
        return found[stage]

    monkeypatch.setattr(EcsFleet, "endpoints", endpoints)
    monkeypatch.setattr(EcsFleet, "signing_key", lambda _: "key")
    monkeypatch.setattr(http, "HttpTransport", _Transport)
    monkeypatch.setattr(_Transport, "last", DONE)
    return found


def _answers() -> dict[str, Finding]:
    return {each.step: each for each in doctor._guarded_answers(STACK, Aws("eu-central-1"))}


@pytest.mark.usefixtures("fleet")
def test_every_endpoint_is_asked_and_one_task_is_done() -> None:
    """Every endpoint is asked, and one task is carried out."""
    found = _answers()
    assert all(each.ok for each in found.values())
    assert "2 of 2 answer" == found["mapper endpoints"].seen
    assert "split-0 did a task" == found["signed request"].seen


@pytest.mark.usefixtures("fleet")
def test_an_endpoint_that_is_silent_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent endpoints are counted, and the first one's error is shown."""
    monkeypatch.setattr(_Transport, "silent", frozenset(["map-1"]))
    found = _answers()["mapper endpoints"]
    assert (False, "1 of 2 answer; map-1 is silent") == (found.ok, found.seen)
    assert found.remedy.endswith("./deploy.sh --allow 198.51.100.9/32")


@pytest.mark.usefixtures("fleet")
def test_silence_inside_the_network_is_not_the_addresss(monkeypatch: pytest.MonkeyPatch) -> None:
    """With private addresses, `allowed_cidrs` is not to blame."""
    monkeypatch.setattr(_Transport, "silent", frozenset(["map-1"]))
    inside = STACK.model_copy(update={"address_kind": "private"})
    found = {each.step: each for each in doctor._guarded_answers(inside, Aws("eu-central-1"))}
    assert "reach the VPC" in found["mapper endpoints"].remedy


def test_a_stage_without_endpoints_is_not_well(fleet: dict[StageName, list[Endpoint]]) -> None:
    """A stage without endpoints is not well."""
    fleet["split"] = []
    found = _answers()
    assert [False, False, True] == [
        found[step].ok for step in ("splitter endpoints", "signed request", "mapper endpoints")
    ]


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"last": failed("Unauthorized", "no such key")}, "refused it"),
        ({"lost": True}, "cable cut"),
    ],
)
def test_a_request_that_is_refused_or_lost_is_not_well(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], said: str
) -> None:
    """A refused or lost request is not well, and shows the answer."""
    for name, value in change.items():
        monkeypatch.setattr(_Transport, name, value)
    found = _answers()["signed request"]
    assert (False, True) == (found.ok, said in found.seen)


@pytest.mark.usefixtures("fleet")
def test_a_fleet_that_cannot_be_found_is_one_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fleet that cannot be listed is one finding with AWS's error."""

    def denied(_: EcsFleet) -> str:
        raise FleetError("may not read the key")

    monkeypatch.setattr(EcsFleet, "signing_key", denied)
    assert {"endpoints": "may not read the key"} == {
        step: each.seen for step, each in _answers().items()
    }


def test_a_stack_is_examined_from_credentials_to_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack is examined from the credentials to a task, and only with credentials."""
    sts: list[Any] = [IDENTITY, _Answers(FleetError("expired"))]
    monkeypatch.setattr("driver.cloud.aws.Aws", lambda _: _aws(sts=sts.pop(0), ecs=_Ecs()))
    monkeypatch.setattr(doctor, "_bucket", lambda *_: "read")
    monkeypatch.setattr(doctor, "_guarded_answers", lambda *_: iter(()))
    roles = [(f"{role} service", True) for role in STACK.services]
    assert [("credentials", True), ("bucket", True), *roles] == _steps(doctor.examine_stack(STACK))
    assert [("credentials", False)] == _steps(doctor.examine_stack(STACK))
