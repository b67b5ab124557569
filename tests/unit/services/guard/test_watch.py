"""The guard against S3 and ECS whose answers botocore checks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from mapreduce.wire import keys
from services.guard.watch import Guard, Settings, main, watch

ENVIRONMENT = {
    "MAPREDUCE_STORE": "s3://store",
    "MAPREDUCE_LEASES": "fleet/leases",
    "MAPREDUCE_SCALING": "fleet/scaling.json",
    "MAPREDUCE_CLUSTER": "mapreduce",
    "MAPREDUCE_SERVICES": '["splitter", "mapper", "reducer"]',
    "MAPREDUCE_GUARD": "guard",
    "MAPREDUCE_IDLE_STOP_MINUTES": "30",
}
IDLE = 1800.0


class Aws:
    """Stubbed S3 and ECS of one account."""

    def __init__(self) -> None:
        session = boto3.Session("test", "test", region_name="eu-central-1")
        self.clients = {name: session.client(name) for name in ("s3", "ecs")}
        self.s3, self.ecs = Stubber(self.clients["s3"]), Stubber(self.clients["ecs"])

    def guard(self) -> Guard:
        """Return a guard over both."""
        return Guard(Settings.of(ENVIRONMENT), self.clients["s3"], self.clients["ecs"])

    def lists(self, now: float, leases: Mapping[str, tuple[float, float]]) -> None:
        """Script a look at the leases, each with the time of its renewal and its seconds."""
        found = {f"fleet/leases/{name}": lease for name, lease in leases.items()}
        date = format_datetime(datetime.fromtimestamp(now, UTC), usegmt=True)
        self.s3.add_response(
            "list_objects_v2",
            {
                "Contents": [
                    {"Key": key, "LastModified": datetime.fromtimestamp(renewed, UTC)}
                    for key, (renewed, _) in found.items()
                ],
                "ResponseMetadata": {"HTTPHeaders": {"date": date}},
            },
            {"Bucket": "store", "Prefix": "fleet/leases/"},
        )
        for key, (_, seconds) in found.items():
            body = json.dumps({"seconds": seconds, "holds": True}).encode()
            answer: Any = {"Body": StreamingBody(BytesIO(body), len(body))}
            self.s3.add_response("get_object", answer, {"Bucket": "store", "Key": key})

    def stops(self, *services: str, forgets: bool = True) -> None:
        """Script the stop of services."""
        for service in services:
            self.ecs.add_response(
                "update_service",
                {},
                {"cluster": "mapreduce", "service": service, "desiredCount": 0},
            )
        if forgets:
            self.s3.add_response(
                "delete_object", {}, {"Bucket": "store", "Key": "fleet/scaling.json"}
            )


@pytest.fixture
def aws() -> Iterator[Aws]:
    """AWS that answers what is scripted, all of which must be asked."""
    found = Aws()
    with found.s3, found.ecs:
        yield found
        found.s3.assert_no_pending_responses()
        found.ecs.assert_no_pending_responses()


def test_a_fleet_without_a_run_is_stopped_after_the_limit(aws: Aws) -> None:
    """All services are stopped, the guard's own last; no run has to undo its change any more."""
    guard = aws.guard()
    aws.lists(1000, {})
    aws.lists(1000 + IDLE - 1, {})
    aws.lists(1000 + IDLE, {})
    aws.stops("splitter", "mapper", "reducer", "guard")
    assert [IDLE, 1, 0] == [guard.look(), guard.look(), guard.look()]


def test_a_run_that_dies_is_followed_by_the_stop(aws: Aws) -> None:
    """A run renews its lease while it lives; after its last renewal the limit passes."""
    guard = aws.guard()
    aws.lists(1000, {})
    aws.lists(9000, {"a": (8990, IDLE)})
    aws.lists(8990 + IDLE, {"a": (8990, IDLE)})
    aws.stops("splitter", "mapper", "reducer", "guard")
    assert [IDLE, IDLE - 10, 0] == [guard.look(), guard.look(), guard.look()]


def test_a_stop_that_fails_half_way_is_made_again(aws: Aws) -> None:
    """ECS refuses once: the guard goes on to watch, and stops all services at its next look."""
    guard = aws.guard()
    aws.lists(1000, {})
    aws.lists(1000 + IDLE, {})
    aws.stops("splitter", forgets=False)
    aws.ecs.add_client_error("update_service", "ServerException")
    aws.lists(1020 + IDLE, {})
    aws.stops("splitter", "mapper", "reducer", "guard")
    looks = iter(range(3))

    def sleep(seconds: float) -> None:
        assert seconds > 0
        if next(looks) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch(guard, sleep)


def test_a_damaged_lease_stops_nothing(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """An object that is no lease is said in the log, and the fleet stays."""
    guard = aws.guard()
    aws.lists(1000, {"a": (900, 60)})
    body = b"{"
    aws.s3._queue[-1]["response"][1]["Body"] = StreamingBody(BytesIO(body), len(body))  # type: ignore[attr-defined]

    def sleep(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch(guard, sleep)
    assert "could not look; trying again" in capsys.readouterr().out


def test_the_names_of_leases_are_those_of_runs() -> None:
    """The variables of the task definition name the objects that runs write."""
    of = Settings.of(ENVIRONMENT)
    assert (keys.LEASES, keys.SCALING) == (of.leases, of.scaling)
    assert keys.lease("a") == f"{of.leases}/a"


@pytest.mark.parametrize("missing", ENVIRONMENT)
def test_a_missing_setting_is_named(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A guard without one of its variables ends with 2, and says which."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(missing)
    assert main() == 2
    assert missing in capsys.readouterr().out
