"""What Terraform and AWS say of an example's deployed stack."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from examples.deployed import StackOutputs, aws_asked, look_up, read_outputs
from mapreduce.errors import FleetError, UsageError

OUTPUTS = {
    "region": "eu-central-1",
    "cluster": "albums",
    "services": {"albums": {"service_name": "albums", "port": 8080, "cpu": 256}},
}


class _Stack(StackOutputs):
    """The outputs of some example; one may be null."""

    url: str | None = None


STACK = _Stack.model_validate(OUTPUTS)


class _Aws:
    """ECS and EC2 with some tasks: their state, and the addresses of their interfaces."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *tasks: tuple[str, str, str]) -> None:
        self.tasks = tasks
        self.batches: list[int] = []
        self.refuses = False
        self.names_interfaces = True
        monkeypatch.setattr(boto3, "Session", lambda region_name: self._session(region_name))

    def _session(self, region: str) -> Any:
        assert region == STACK.region
        return self

    def client(self, name: str) -> Any:
        """Return itself as a client."""
        assert name in ("ecs", "ec2")
        return self

    def get_paginator(self, name: str) -> Any:
        """Return itself as a paginator."""
        assert name == "list_tasks"
        return self

    def paginate(self, **asked: str) -> list[dict[str, Any]]:
        """Return the tasks in two pages."""
        assert asked == {"cluster": "albums", "serviceName": "albums", "desiredStatus": "RUNNING"}
        if self.refuses:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "ListTasks")
        arns = [str(number) for number in range(len(self.tasks))]
        return [{"taskArns": arns[:1]}, {"taskArns": arns[1:]}]

    def describe_tasks(self, *, cluster: str, tasks: list[str]) -> dict[str, Any]:
        """Return tasks."""
        assert cluster == "albums"
        self.batches.append(len(tasks))
        return {"tasks": [self._task(int(number)) for number in tasks]}

    def _task(self, number: int) -> dict[str, Any]:
        state, _, private = self.tasks[number]
        details = [
            {"name": "subnetId", "value": "subnet-1"},
            *(
                [{"name": "networkInterfaceId", "value": f"eni-{number}"}]
                if self.names_interfaces
                else []
            ),
            *([{"name": "privateIPv4Address", "value": private}] if private else []),
        ]
        return {"lastStatus": state, "attachments": [{"details": details}]}

    def describe_network_interfaces(self, *, Filters: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the interfaces that exist."""
        found = []
        for name in Filters[0]["Values"]:
            public = self.tasks[int(name.removeprefix("eni-"))][1]
            found.append(
                {
                    "NetworkInterfaceId": name,
                    **({"Association": {"PublicIp": public}} if public else {}),
                }
            )
        return {"NetworkInterfaces": found}


def test_running_tasks_are_listed_by_their_public_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that starts or stops is left out; one without a public address has its private one."""
    _Aws(
        monkeypatch,
        ("RUNNING", "198.51.100.9", "10.0.0.9"),
        ("PROVISIONING", "", ""),
        ("DEACTIVATING", "198.51.100.7", ""),
        ("RUNNING", "198.51.100.8", ""),
        ("RUNNING", "", "10.0.0.4"),
        ("RUNNING", "", ""),
    )
    found = ["10.0.0.4:8080", "198.51.100.8:8080", "198.51.100.9:8080"]
    assert look_up(STACK, "albums")() == found


def test_tasks_without_an_interface_are_listed_by_their_private_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Several tasks whose interface is not named each have their address."""
    aws = _Aws(monkeypatch, ("RUNNING", "", "10.0.0.4"), ("RUNNING", "", "10.0.0.5"))
    aws.names_interfaces = False
    assert look_up(STACK, "albums")() == ["10.0.0.4:8080", "10.0.0.5:8080"]


def test_many_tasks_are_described_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call takes 100 tasks at most."""
    aws = _Aws(monkeypatch, *[("RUNNING", f"198.51.100.{n}", "") for n in range(150)])
    assert len(look_up(STACK, "albums")()) == 150
    assert aws.batches == [100, 50]


def test_no_task_is_no_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped service has no addresses."""
    aws = _Aws(monkeypatch)
    assert look_up(STACK, "albums")() == []
    assert aws.batches == []


def test_a_refusal_of_aws_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of AWS's client has cause and place."""
    aws = _Aws(monkeypatch)
    aws.refuses = True
    with pytest.raises(FleetError, match="cluster albums in eu-central-1.*AccessDenied"):
        look_up(STACK, "albums")()


def test_a_profile_that_does_not_exist_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_PROFILE=nope already fails when the session is made."""
    monkeypatch.setenv("AWS_PROFILE", "nope")
    with pytest.raises(FleetError, match=r"cluster albums in eu-central-1.*\(nope\)"):
        look_up(STACK, "albums")
    with pytest.raises(FleetError, match=r"no key: .*\(nope\)"), aws_asked("no key"):
        boto3.Session()


@pytest.fixture
def applied(tmp_path: Path) -> Path:
    """A root that has a state."""
    (tmp_path / "terraform.tfstate").touch()
    return tmp_path


def _terraform(
    monkeypatch: pytest.MonkeyPatch, out: str = "", *, raises: Exception | None = None
) -> None:
    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert ["output", "-no-color", "-json"] == command[2:]
        if raises is not None:
            raise raises
        return subprocess.CompletedProcess(command, 0, out, "")

    monkeypatch.setattr(subprocess, "run", run)


def test_the_stack_is_read_from_terraforms_outputs(
    monkeypatch: pytest.MonkeyPatch, applied: Path
) -> None:
    """Unknown outputs are ignored; Terraform leaves out those that are null."""
    given = {name: {"value": value} for name, value in (OUTPUTS | {"bucket": "b"}).items()}
    _terraform(monkeypatch, json.dumps(given))
    assert read_outputs(applied, _Stack, "albums") == STACK
    _terraform(monkeypatch, json.dumps(given | {"url": {"value": "http://lb"}}))
    assert read_outputs(applied, _Stack, "albums").url == "http://lb"


@pytest.mark.parametrize(
    "out", ["", "{}", "[]", '{"region": {"value": "eu-central-1"}}', '{"region": 1}']
)
def test_no_deployed_stack(monkeypatch: pytest.MonkeyPatch, applied: Path, out: str) -> None:
    """A destroyed stack has a state without outputs; the message says how to deploy one."""
    _terraform(monkeypatch, out)
    with pytest.raises(UsageError, match=r"no deployed stack .*run \./deploy\.sh --system albums"):
        read_outputs(applied, _Stack, "albums")


def test_terraform_is_not_asked_about_a_root_without_a_state(tmp_path: Path) -> None:
    """In a fresh clone it would print twenty lines on providers."""
    with pytest.raises(UsageError, match=r"no deployed stack .*run \./deploy\.sh --system albums"):
        read_outputs(tmp_path, _Stack, "albums")


NOT_INITIALISED = """\
There are some problems with the CLI configuration:
╷
│ Error: Required plugins are not installed
│
│ To download the plugins required for this configuration, run:
│   terraform init
╵
"""


@pytest.mark.parametrize(
    ("raises", "said"),
    [
        (FileNotFoundError("terraform"), "terraform is not on PATH"),
        (
            subprocess.CalledProcessError(1, "t", stderr=NOT_INITIALISED),
            r"Error: Required plugins are not installed; run: terraform -chdir=\S+ init$",
        ),
        (subprocess.CalledProcessError(1, "t", stderr="no state"), ": no state$"),
        (subprocess.CalledProcessError(1, "t", stderr=""), "it printed nothing$"),
        (subprocess.TimeoutExpired("t", 60), "more than 60 s"),
    ],
)
def test_terraform_fails(
    monkeypatch: pytest.MonkeyPatch, applied: Path, raises: Exception, said: str
) -> None:
    """Each failure is one line with its cause."""
    _terraform(monkeypatch, raises=raises)
    with pytest.raises(UsageError, match=said) as refused:
        read_outputs(applied, _Stack, "albums")
    assert "\n" not in str(refused.value)
