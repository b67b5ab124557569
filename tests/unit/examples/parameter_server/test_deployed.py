"""The address and the key of a deployed stack, from answers of AWS that are written here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from examples.parameter_server.deployed import (
    Stack,
    credentials,
    deployed,
    server_address,
    signing_key,
)
from mapreduce.errors import FleetError, UsageError

STACK = Stack.model_validate(
    {
        "region": "eu-central-1",
        "cluster": "ps",
        "bucket": "ps-bucket",
        "signing_key_parameter": "/ps/key",
        "services": {
            "parameter-server": {"service_name": "parameter-server", "port": 8000},
            "worker": {"service_name": "worker", "port": None},
        },
    }
)
INTERFACE = {
    "details": [
        {"name": "networkInterfaceId", "value": "eni-1"},
        {"name": "privateIPv4Address", "value": "10.22.0.9"},
    ]
}


class _Aws:
    """Clients of a boto3 session, all in one, that answer what a test says."""

    def __init__(self, tasks: list[dict[str, Any]], public: str | None, refuse: str = "") -> None:
        self.tasks, self.public, self.refuse = tasks, public, refuse
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def client(self, name: str) -> Any:
        del name
        return self

    def _answer(self, name: str, asked: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((name, asked))
        if self.refuse == name:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, name)
        return answer

    def get_paginator(self, name: str) -> Any:
        assert name == "list_tasks"
        return self

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        arns = [f"t{n}" for n in range(len(self.tasks))]
        return [self._answer("list_tasks", asked, {"taskArns": arns})]

    def describe_tasks(self, **asked: Any) -> dict[str, Any]:
        return self._answer("describe_tasks", asked, {"tasks": self.tasks})

    def describe_network_interfaces(self, **asked: Any) -> dict[str, Any]:
        found = {"Association": {"PublicIp": self.public}} if self.public else {}
        interface = {"NetworkInterfaceId": "eni-1", **found}
        return self._answer("eni", asked, {"NetworkInterfaces": [interface]})

    def get_parameter(self, **asked: Any) -> dict[str, Any]:
        return self._answer("get_parameter", asked, {"Parameter": {"Value": "secret"}})


def _task(status: str = "RUNNING") -> dict[str, Any]:
    return {"lastStatus": status, "attachments": [INTERFACE], "containers": []}


def test_the_public_address_of_the_running_task() -> None:
    """A task that is pending is passed over; the public address wins."""
    aws = _Aws([_task("PENDING"), _task()], "198.51.100.7")
    assert "198.51.100.7:8000" == server_address(STACK, aws)
    assert {"cluster": "ps", "serviceName": "parameter-server", "desiredStatus": "RUNNING"} == dict(
        aws.asked
    )["list_tasks"]


def test_the_private_address_if_there_is_no_public_one() -> None:
    """Of the attachment, or of the container where the attachment says nothing."""
    assert "10.22.0.9:8000" == server_address(STACK, _Aws([_task()], None))
    task = {
        "lastStatus": "RUNNING",
        "containers": [{"networkInterfaces": [{"privateIpv4Address": "10.22.0.8"}]}],
    }
    assert "10.22.0.8:8000" == server_address(STACK, _Aws([task], None))


@pytest.mark.parametrize("tasks", [[], [_task("PENDING")]])
def test_no_running_task_is_said_with_the_next_step(tasks: list[dict[str, Any]]) -> None:
    """The message names the cluster and the command that says why."""
    with pytest.raises(FleetError, match="stack wait"):
        server_address(STACK, _Aws(tasks, None))


def test_a_refusal_of_aws_is_an_error_of_ours() -> None:
    """With AWS's reason, and for the key with the right that is missing."""
    with pytest.raises(FleetError, match="AccessDenied"):
        server_address(STACK, _Aws([_task()], None, refuse="describe_tasks"))
    with pytest.raises(FleetError, match="ssm:GetParameter on /ps/key"):
        signing_key(STACK, _Aws([], None, refuse="get_parameter"))


def test_the_key_comes_decrypted_from_its_parameter() -> None:
    """The parameter is the one that Terraform names."""
    aws = _Aws([], None)
    assert "secret" == signing_key(STACK, aws)
    assert [("get_parameter", {"Name": "/ps/key", "WithDecryption": True})] == aws.asked


def test_a_folder_without_a_stack_is_refused(tmp_path: Path) -> None:
    """The message says how to deploy one."""
    with pytest.raises(UsageError, match=r"deploy\.sh --system parameter_server"):
        deployed(tmp_path)


def test_a_profile_that_does_not_exist_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the key nor the credentials end with AWS's stack trace."""
    monkeypatch.setenv("AWS_PROFILE", "nope")
    with pytest.raises(FleetError, match=r"signing key cannot be read.*\(nope\)"):
        signing_key(STACK)
    with pytest.raises(FleetError, match=r"credentials cannot be read.*\(nope\)"):
        credentials()
