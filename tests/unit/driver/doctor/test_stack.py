"""The deployed stack: well, or not well with the remedy."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Self

import pytest

from driver.cloud.aws import Aws
from driver.cloud.ecs import EcsFleet
from driver.cloud.stack import Stack
from driver.doctor import stack as checks
from driver.doctor.finding import Finding
from driver.transport import http
from driver.transport.endpoint import ROLES, Endpoint
from mapreduce.errors import FleetError, TaskLost
from mapreduce.wire.messages import Cost, Done, Failed, Health, SplitResult, StageName
from tests.unit.driver.doctor.conftest import IDENTITY, Answers, aws_with
from tests.unit.driver.fakes import ANY_ATTEMPT, failed
from tests.unit.driver.samples import STACK_VALUES

STACK = Stack.model_validate(STACK_VALUES)


def _steps(findings: Iterator[Finding]) -> list[tuple[str, bool]]:
    return [(finding.step, finding.ok) for finding in findings]


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
    return Answers({"services": [found]})


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
        (Answers({"services": []}), False, "there is no service mapper; run ./deploy.sh"),
        (Answers(FleetError("denied")), False, "denied"),
    ],
)
def test_a_service_must_have_its_tasks(ecs: Any, well: bool, seen: str) -> None:
    """A service with too few tasks, or of another version, is not well, with ECS's reason."""
    found = checks.service(STACK, aws_with(ecs=ecs), "mapper")
    assert (well, seen) == (found.ok, found.seen)
    assert well or found.remedy
    assert ("does not start" in seen) == found.final


def test_a_stack_that_is_stopped_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run starts it, if it admits this machine; one that is half stopped is not well."""
    counts = dict.fromkeys(STACK.services, 0)

    def described(services: Sequence[str], **_: Any) -> dict[str, Any]:
        (name,) = services
        arn = DEFINITION.replace("mapper", name)
        count = counts.get(name, 0)  # type: ignore[call-overload]
        deployment = {"taskDefinition": arn, "rolloutState": "COMPLETED"}
        found = {"runningCount": count, "desiredCount": count, "deployments": [deployment]}
        return {"services": [found]}

    ecs = SimpleNamespace(describe_services=described)
    monkeypatch.setattr("driver.cloud.aws.Aws", lambda _: aws_with(sts=IDENTITY, ecs=ecs))
    monkeypatch.setattr(checks, "_bucket", lambda *_: "read")
    monkeypatch.setattr(checks, "_guarded_answers", lambda *_: iter(()))
    monkeypatch.setattr("driver.cloud.own_address.own_address", lambda: "203.0.113.7")
    services = [("credentials", True), ("bucket", True), ("services", True)]
    expected = [*services, ("address", True)]
    assert expected == _steps(checks.examine_stack(STACK))
    counts["splitter"] = 1
    found = {each.step: each for each in checks.examine_stack(STACK)}
    assert not found["mapper service"].ok
    assert found["mapper service"].remedy == "python -m driver stack start"


def test_a_readable_bucket_shows_its_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A readable bucket shows the number of its runs."""
    storage = SimpleNamespace(list=lambda url: iter([url, url]))
    monkeypatch.setattr("mapreduce.storage.open_storage", lambda **_: storage)
    seen = checks._bucket(STACK, aws_with(credential_provider=lambda: None))
    assert f"{STACK.store} can be read (2 records of runs)" == seen


class _Transport:
    """A transport whose services answer or are silent."""

    silent: frozenset[str] = frozenset()
    images: Mapping[str, str] = {}
    last: Done | Failed | None = None
    lost = False

    def __init__(self, key: str, heartbeat_timeout_s: float) -> None:
        assert "key" == key

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def health(self, endpoint: Endpoint) -> Health:
        """Raise for silent endpoints."""
        if endpoint.name in self.silent:
            raise TaskLost(f"{endpoint.name} is silent")
        image = self.images.get(endpoint.name)
        return Health(ok=True, role="map", slots=1, busy=0, image_tag=image)

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
    return {each.step: each for each in checks._guarded_answers(STACK, Aws("eu-central-1"))}


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
    findings = _answers()
    found = findings["mapper endpoints"]
    assert (False, "1 of 2 answer; map-1 is silent") == (found.ok, found.seen)
    assert found.remedy.endswith("run: python -m driver doctor --fix")
    assert "198.51.100.9" == findings["address"].admit


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("own", "well", "seen"),
    [
        (None, True, "this machine's public address is unknown"),
        ("203.0.113.7", True, "203.0.113.7 is in allowed_cidrs"),
        ("203.0.113.8", False, "203.0.113.8 is not in allowed_cidrs (203.0.113.7/32)"),
    ],
)
def test_the_address_is_asked_when_a_task_is_silent(
    monkeypatch: pytest.MonkeyPatch, own: str | None, well: bool, seen: str
) -> None:
    """When a task does not answer, this machine's address is a step, and it can be admitted only
    when it is known and not admitted.
    """
    monkeypatch.setattr("driver.cloud.own_address.own_address", lambda: own)
    assert "address" not in _answers()
    monkeypatch.setattr(_Transport, "silent", frozenset(["map-1"]))
    found = _answers()["address"]
    assert (well, seen) == (found.ok, found.seen)
    assert ("" if well else own) == found.admit


@pytest.mark.usefixtures("fleet")
def test_the_image_that_answers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The images that answer are named; one that is not the deployed one is not well."""
    monkeypatch.setattr(_Transport, "images", {"map-0": "abc", "map-1": "old", "split-0": "abc"})
    found = _answers()
    assert (True, "2 of 2 answer, image abc") == (
        found["splitter endpoints"].ok,
        found["splitter endpoints"].seen,
    )
    mapper = found["mapper endpoints"]
    assert (False, "2 of 2 answer, image abc, old, and not abc alone") == (mapper.ok, mapper.seen)
    assert "stack wait" in mapper.remedy


@pytest.mark.usefixtures("fleet")
def test_silence_inside_the_network_is_not_the_addresss(monkeypatch: pytest.MonkeyPatch) -> None:
    """With private addresses, `allowed_cidrs` is not to blame."""
    monkeypatch.setattr(_Transport, "silent", frozenset(["map-1"]))
    inside = STACK.model_copy(update={"address_kind": "private"})
    found = {each.step: each for each in checks._guarded_answers(inside, Aws("eu-central-1"))}
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
    sts: list[Any] = [IDENTITY, Answers(FleetError("expired"))]
    monkeypatch.setattr("driver.cloud.aws.Aws", lambda _: aws_with(sts=sts.pop(0), ecs=_Ecs()))
    monkeypatch.setattr(checks, "_bucket", lambda *_: "read")
    monkeypatch.setattr(checks, "_guarded_answers", lambda *_: iter(()))
    roles = [(f"{role} service", True) for role in STACK.services]
    roles.append(("idle guard", True))
    assert [("credentials", True), ("bucket", True), *roles] == _steps(checks.examine_stack(STACK))
    assert [("credentials", False)] == _steps(checks.examine_stack(STACK))


def test_the_tasks_of_a_closed_stack_are_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """The port is closed on purpose, so the stack is well, and the finding names `submit`."""
    monkeypatch.setattr("driver.cloud.aws.Aws", lambda _: aws_with(sts=IDENTITY, ecs=_Ecs()))
    monkeypatch.setattr(checks, "_bucket", lambda *_: "read")
    closed = STACK.model_copy(update={"allowed_cidrs": (), "address_kind": "public"})
    *_, last = checks.examine_stack(closed)
    assert (checks.CLOSED, True) == (last.step, last.ok)
    assert "python -m driver submit" in last.seen
