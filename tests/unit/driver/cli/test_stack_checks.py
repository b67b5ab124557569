"""`stack allow`, with a Terraform that notes what it is asked."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from driver.cloud.admission import RULE, rules_of
from driver.cloud.fleet.capacity import Lease
from driver.cloud.fleet.leases import Leases
from driver.cloud.stack import Stack
from driver.doctor.selftest import Step
from tests.unit.driver.cli.conftest import Command
from tests.unit.driver.samples import STACK_VALUES, mapreduce

ROOT = Path(__file__).resolve().parents[4]
SETTINGS = {
    "image_digests": {"mapper": "sha256:" + "0" * 64},
    "region": "eu-central-1",
    "name": "mapreduce",
    "image_tag": "abc",
    "allowed_cidrs": ["10.0.0.0/8", "203.0.113.7/32"],
    "spot_share": 50,
}


@pytest.fixture
def folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A deployed stack with its settings, and this machine's address."""
    made = home / "terraform"
    made.mkdir()
    (made / "deploy.auto.tfvars.json").write_text(json.dumps(SETTINGS))
    monkeypatch.setattr(
        "driver.cloud.stack.read_stack", lambda _: Stack.model_validate(STACK_VALUES)
    )
    monkeypatch.setattr("driver.cloud.own_address.own_address", lambda: "198.51.100.9")
    return made


@pytest.fixture
def terraform(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `terraform` on the path, which notes its arguments and the settings that it would read; it
    fails if there is a file `fails`.
    """
    program = home / "bin" / "terraform"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        f'printf "%s\\n" "$@" > {home}/arguments\n'
        f"cat {home}/terraform/deploy.auto.tfvars.json > {home}/read\n"
        f"[ ! -e {home}/fails ] || {{ echo '\u2502 Error: UnauthorizedOperation' >&2; exit 1; }}\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return home


def _allowed(folder: Path) -> Any:
    return json.loads((folder / "deploy.auto.tfvars.json").read_text())["allowed_cidrs"]


def test_this_machines_address_replaces_the_one_before(
    command: Command, folder: Path, terraform: Path
) -> None:
    """Without a range, the address of this machine replaces single addresses; only the rules are
    applied, with the new settings, which keep all other variables.
    """
    said = command("stack", "allow")
    assert (0, "") == (said.code, said.err)
    assert "callable by 10.0.0.0/8, 198.51.100.9/32" in said.out
    assert "no longer by 203.0.113.7/32" in said.out
    applied = json.loads((terraform / "read").read_text())
    assert SETTINGS | {"allowed_cidrs": ["10.0.0.0/8", "198.51.100.9/32"]} == {
        name: value for name, value in applied.items() if name != "architecture"
    }
    chdir, verb, *options = (terraform / "arguments").read_text().splitlines()
    assert [f"-chdir={folder}", "apply"] == [chdir, verb]
    targets = [each.removeprefix("-target=") for each in options if each.startswith("-target=")]
    assert rules_of(["splitter", "mapper", "reducer"]) == targets
    assert {"-auto-approve", "-input=false", "-no-color"} == {*options} - {
        f"-target={each}" for each in targets
    }


def test_ranges_replace_all_ranges(command: Command, folder: Path, terraform: Path) -> None:
    """Given ranges replace those of before; an invalid one changes nothing."""
    assert 0 == command("stack", "allow", "192.0.2.0/24", "198.51.100.1/32").code
    assert ["192.0.2.0/24", "198.51.100.1/32"] == _allowed(folder)
    said = command("stack", "allow", "192.0.2.0/33")
    assert (2, True) == (said.code, "192.0.2.0/33" in said.err)
    assert ["192.0.2.0/24", "198.51.100.1/32"] == _allowed(folder)


def test_a_failed_apply_leaves_the_settings(
    command: Command, folder: Path, terraform: Path
) -> None:
    """When Terraform fails, its error is shown and the settings are those of before."""
    (terraform / "fails").touch()
    before = (folder / "deploy.auto.tfvars.json").read_bytes()
    said = command("stack", "allow")
    assert (3, True) == (said.code, "UnauthorizedOperation; then run this again" in said.err)
    assert before == (folder / "deploy.auto.tfvars.json").read_bytes()
    assert "198.51.100.9/32" in (terraform / "read").read_text()


def test_without_a_stack_or_an_address_nothing_changes(
    command: Command, folder: Path, terraform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown address has to be named, and without a stack there are no rules."""
    monkeypatch.setattr("driver.cloud.own_address.own_address", lambda: None)
    said = command("stack", "allow")
    assert (2, True) == (said.code, "python -m driver stack allow $(curl" in said.err)
    monkeypatch.setattr("driver.cloud.stack.read_stack", lambda _: None)
    said = command("stack", "allow", "192.0.2.0/24")
    assert (3, True) == (said.code, "./deploy.sh" in said.err)
    assert SETTINGS["allowed_cidrs"] == _allowed(folder)
    assert not (terraform / "arguments").exists()


def test_the_rules_are_those_of_the_module() -> None:
    """The resource that `stack allow` applies is the one, and the only one of MapReduce's modules,
    that holds `allowed_cidrs`.
    """
    modules = [ROOT / "terraform" / "modules" / name for name in mapreduce().modules]
    texts = [path.read_text() for module in modules for path in module.glob("*.tf")]
    blocks = [
        match
        for text in texts
        for match in re.findall(r'resource "(\w+)" "(\w+)" \{\n(.*?)\n\}', text, re.DOTALL)
    ]
    holding = [f"{kind}.{name}" for kind, name, body in blocks if "var.allowed_cidrs" in body]
    assert [RULE] == holding


# -- the key ---------------------------------------------------------------------------------------


class _Keyed(Stack):
    """A stack whose key is a parameter."""

    signing_key_parameter: str = "/mapreduce/signing-key"


class _Ssm:
    """Parameter Store and ECS, which note what they are asked."""

    def __init__(self, running: int) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._running = running
        self.fails = False

    def put_parameter(self, **request: Any) -> None:
        """Note the key."""
        self.asked.append(("put", request))

    def describe_services(self, services: list[str], **_: Any) -> dict[str, Any]:
        """Describe each service; only the mapper runs."""
        return {
            "services": [
                {
                    "serviceName": name,
                    "desiredCount": self._running if name == "mapper" else 0,
                    "runningCount": 0,
                }
                for name in services
            ]
        }

    def update_service(self, **request: Any) -> None:
        """Note the deployment, or fail."""
        if self.fails:
            raise ClientError({"Error": {"Code": "Throttling", "Message": "no"}}, "UpdateService")
        self.asked.append(("update", request))


@pytest.fixture
def keyed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], _Ssm]:
    """A function that makes a stack with so many mappers; nothing waits."""

    def make(running: int) -> _Ssm:
        made = _Ssm(running)
        aws = SimpleNamespace(ssm=made, ecs=made, credential_provider=lambda: None)
        monkeypatch.setattr("driver.cloud.aws.Aws", lambda _: aws)
        monkeypatch.setattr(
            "driver.cloud.stack.read_stack", lambda _: _Keyed.model_validate(STACK_VALUES)
        )
        monkeypatch.setattr(Leases, "others", lambda _: (LEASES[:], 1000.0))
        monkeypatch.setattr("driver.cli.stack_checks.all_answer", _waited)
        return made

    LEASES.clear()
    WAITED.clear()
    return make


def _waited(timeout_s: float) -> str:
    WAITED.append(timeout_s)
    return "all answer"


LEASES: list[Lease] = []
WAITED: list[float] = []


def test_a_new_key_is_written_and_running_tasks_are_replaced(
    command: Command, keyed: Callable[[int], _Ssm]
) -> None:
    """The parameter gets another random key of 64 letters and digits, in place; services that run
    get a new deployment, which is waited for; without --yes nothing happens.
    """
    aws = keyed(3)
    said = command("stack", "rotate-key")
    assert (0, [], True) == (said.code, aws.asked, "replace the tasks of 1 service" in said.out)
    assert 0 == command("stack", "rotate-key", "--yes", "--timeout-s", "9").code
    (_, put), (_, update) = aws.asked
    key = put.pop("Value")
    assert re.fullmatch(r"[A-Za-z0-9]{64}", key)
    assert {"Name": "/mapreduce/signing-key", "Type": "SecureString", "Overwrite": True} == put
    assert {"cluster": "mapreduce", "service": "mapper", "forceNewDeployment": True} == update
    assert [9.0] == WAITED
    command("stack", "rotate-key", "--yes")
    assert key != aws.asked[2][1]["Value"]


def test_a_stopped_stack_needs_no_deployment(
    command: Command, keyed: Callable[[int], _Ssm]
) -> None:
    """With no task, only the parameter is written."""
    aws = keyed(0)
    assert 0 == command("stack", "rotate-key", "--yes").code
    assert (["put"], []) == ([name for name, _ in aws.asked], WAITED)


def test_the_key_stays_while_a_run_is_in_progress(
    command: Command, keyed: Callable[[int], _Ssm]
) -> None:
    """A live lease refuses the rotation; that of a run whose driver has died does not, nor that
    which says when the last run has ended.
    """
    aws = keyed(3)
    LEASES.append(Lease(900, 1800))
    said = command("stack", "rotate-key", "--yes")
    assert (2, []) == (said.code, aws.asked)
    assert "1 run in progress, or kept" in said.err
    LEASES[:] = [Lease(900, 60), Lease(990, 1800, holds=False)]
    assert 0 == command("stack", "rotate-key", "--yes").code


def test_a_rotation_that_stops_half_way_says_so(
    command: Command, keyed: Callable[[int], _Ssm]
) -> None:
    """When the tasks cannot be replaced, that is an error which names the next step."""
    aws = keyed(3)
    aws.fails = True
    said = command("stack", "rotate-key", "--yes")
    assert (3, True) == (said.code, "the key is replaced, and not all tasks are" in said.err)
    assert "run this again" in said.err


def test_terraform_keeps_a_key_that_it_did_not_write() -> None:
    """Terraform holds no value of the key to compare with, and its version is a constant, so no
    apply writes it again.
    """
    text = (ROOT / "terraform/modules/signing_key/main.tf").read_text()
    assert re.search(r"_wo_version\s*= 1$", text, re.MULTILINE)
    assert not re.search(r"^\s*(value|secret_string)\s*=", text, re.MULTILINE)


@pytest.mark.parametrize("running", [0, 3])
def test_the_selftest_starts_a_stopped_stack_and_stops_it(
    command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch, running: int
) -> None:
    """A stopped stack runs for the test alone; one that runs is left as it was."""
    counts = dict.fromkeys(("splitter", "mapper", "reducer"), running)
    told: list[str] = []
    stack = Stack.model_validate(STACK_VALUES)
    monkeypatch.setattr("driver.cloud.stack.read_stack", lambda _: stack)
    monkeypatch.setattr("driver.cloud.aws.Aws", lambda _: None)
    services = SimpleNamespace(desired=lambda: counts)
    monkeypatch.setattr("driver.cloud.fleet.fleet_use.Services", lambda *_: services)
    monkeypatch.setattr("driver.cloud.fleet.fleet_use.start_fleet", lambda *_: told.append("start"))
    monkeypatch.setattr("driver.cloud.fleet.fleet_use.stop_fleet", lambda *_: told.append("stop"))

    def all_answer(_: float) -> str:
        told.append("wait")
        return "all answer"

    monkeypatch.setattr("driver.cli.stack_checks.all_answer", all_answer)

    def steps(*_: object) -> Iterator[Step]:
        told.append("test")
        yield Step("bucket", "failed", "denied", "sign in")

    monkeypatch.setattr("driver.doctor.selftest.selftest", steps)
    said = command("stack", "selftest", "--json")
    assert (3, "failed") == (said.code, said.document["steps"][0]["state"])
    assert (["test"] if running else ["start", "wait", "test", "stop"]) == told
