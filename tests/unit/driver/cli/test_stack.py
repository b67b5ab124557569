"""The steps of deploy.sh and destroy.sh, with a scripted AWS."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from driver.cloud import leftovers
from driver.cloud.deploy.deployment import DeploySettings
from driver.cloud.deploy.images import Image
from driver.cloud.leftovers import Leftover
from driver.cloud.stack import Stack, StackIdentity
from driver.doctor import Finding
from driver.doctor.stack import CLOSED
from tests.unit.driver.cli.conftest import Command
from tests.unit.driver.samples import STACK_VALUES

DIGEST = f"sha256:{'a' * 64}"
DEFINITION = "arn:aws:ecs:r:1:task-definition/mapreduce-mapper:1"


@pytest.fixture(autouse=True)
def terraform(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The module's folder, and an environment without a network."""
    folder = home / "terraform"
    folder.mkdir()
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("MAPREDUCE_BUILD_OPTIONS", raising=False)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    return folder


def _settings(folder: Path) -> Any:
    return json.loads((folder / "deploy.next.tfvars.json").read_text())


def _deployed_as_set(folder: Path) -> None:
    """Rename the settings, as deploy.sh does when the images are pushed."""
    (folder / "deploy.next.tfvars.json").rename(folder / "deploy.auto.tfvars.json")


def test_settings_are_written_and_kept(command: Command, terraform: Path) -> None:
    """Settings are written, and a later call keeps those that it does not give."""
    first = command("stack", "settings", "--region", "eu-north-1", "--mappers", "7")
    second = command("stack", "settings", "--allow", "10.0.0.0/8", "--architecture", "ARM64")
    assert (0, 0) == (first.code, second.code)
    assert "no address outside the VPC" in first.out
    assert "10.0.0.0/8" in second.out
    written = _settings(terraform)
    assert ("eu-north-1", 7, "ARM64", ["10.0.0.0/8"]) == tuple(
        written[name] for name in ("region", "mapper_count", "architecture", "allowed_cidrs")
    )


def test_the_port_can_be_closed(
    command: Command, terraform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--allow none` removes every range, does not ask for this machine's address, and holds for
    the next deployments; with a range beside it, it is a mistake.
    """
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setattr("driver.cloud.own_address.own_address", lambda: pytest.fail("was asked"))
    command("stack", "settings", "--region", "eu-north-1", "--allow", "10.0.0.0/8")
    said = command("stack", "settings", "--allow", "none")
    assert (0, []) == (said.code, _settings(terraform)["allowed_cidrs"])
    assert "callable by no address outside the VPC" in said.out
    _deployed_as_set(terraform)
    monkeypatch.setattr("driver.cloud.own_address.own_address", lambda: "192.0.2.5")
    command("stack", "settings")
    assert [] == _settings(terraform)["allowed_cidrs"]
    said = command("stack", "settings", "--allow", "none", "--allow", "10.0.0.0/8")
    assert (2, True) == (said.code, "stands alone" in said.err)


def test_settings_wait_for_the_images(command: Command, terraform: Path) -> None:
    """The file that Terraform reads at every apply does not change until the images are pushed: a
    deployment that failed leaves no settings to the next one, unless it was the first.
    """
    command("stack", "settings", "--region", "eu-north-1", "--mappers", "7")
    command("stack", "settings")
    assert 7 == _settings(terraform)["mapper_count"]
    _deployed_as_set(terraform)
    deployed = (terraform / "deploy.auto.tfvars.json").read_text()
    command("stack", "settings", "--mappers", "9", "--architecture", "ARM64")
    assert deployed == (terraform / "deploy.auto.tfvars.json").read_text()
    assert "linux/arm64\n" == command("stack", "platform").out
    command("stack", "settings")
    assert 7 == _settings(terraform)["mapper_count"]


def test_the_first_architecture_is_the_machines(
    command: Command, terraform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first deployment has the architecture of this machine, a later one keeps it; with another
    architecture or other build options, the images have another tag.
    """
    tags = []
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    command("stack", "settings", "--region", "eu-north-1")
    tags.append(_settings(terraform)["image_tag"])
    _deployed_as_set(terraform)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    command("stack", "settings")
    assert ("ARM64", tags[0]) == tuple(
        _settings(terraform)[name] for name in ("architecture", "image_tag")
    )
    command("stack", "settings", "--architecture", "X86_64")
    tags.append(_settings(terraform)["image_tag"])
    monkeypatch.setenv("MAPREDUCE_BUILD_OPTIONS", "--build-arg PYTHON_IMAGE=python:3.11")
    command("stack", "settings", "--architecture", "X86_64")
    tags.append(_settings(terraform)["image_tag"])
    assert 3 == len(set(tags))


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--name", "books"], "books in eu-north-1"),
        (["--region", "us-east-1"], "mapreduce in us-east-1"),
    ],
)
def test_another_stack_is_refused(
    command: Command,
    terraform: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    wanted: str,
) -> None:
    """A name or region other than that of the stack in the state is refused with both stacks and
    the remedies, and nothing is written; the same ones are not.
    """
    mine = StackIdentity(name="mapreduce", region="eu-north-1")
    monkeypatch.setattr("driver.cloud.stack.stack_of_state", lambda _: mine)
    same = command("stack", "settings", "--region", "eu-north-1", "--name", "mapreduce")
    _deployed_as_set(terraform)
    said = command("stack", "settings", *options)
    assert (0, 2) == (same.code, said.code)
    assert all(
        text in said.err
        for text in ("mapreduce in eu-north-1", wanted, "./destroy.sh", "another checkout")
    )
    assert not (terraform / "deploy.next.tfvars.json").exists()


def test_settings_need_a_region(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The region comes from the environment; without any the exit code is 2."""
    assert 2 == command("stack", "settings").code
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    said = command("stack", "settings")
    assert (0, True) == (said.code, "eu-west-3" in said.out)


def test_the_machines_own_address_is_allowed_in(
    command: Command, terraform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine's address is allowed; if it is unknown, the message names --allow."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")

    def unreachable(*_: object, **__: object) -> NoReturn:
        raise OSError("no route")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    said = command("stack", "settings", "--region", "eu-north-1")
    assert (0, True) == (said.code, "--allow" in said.err)
    assert [] == _settings(terraform)["allowed_cidrs"]
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: io.BytesIO(b"192.0.2.5\n"))
    (terraform / "deploy.next.tfvars.json").unlink()
    command("stack", "settings", "--region", "eu-north-1")
    assert ["192.0.2.5/32"] == _settings(terraform)["allowed_cidrs"]


def test_the_steps_need_the_settings(command: Command) -> None:
    """A step without settings exits with code 2, and names deploy.sh."""
    said = command("stack", "platform")
    assert (2, True) == (said.code, "deploy.sh" in said.err)


@pytest.fixture
def configured(command: Command) -> None:
    """The settings of a small stack."""
    command("stack", "settings", "--region", "eu-north-1", "--mappers", "2")


def test_programs_read_their_lines_from_standard_output(
    command: Command, configured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Platform, images and the registry's password are the only text on standard output."""
    images = [Image("mapper", "r/m:1", DIGEST), Image("reducer", "r/r:1", None)]
    monkeypatch.setattr("driver.cloud.deploy.images.images_of", lambda *_: images)
    monkeypatch.setattr("driver.cloud.deploy.images.registry_password", lambda _: "secret")
    assert "linux/amd64\n" == command("stack", "platform").out
    assert (
        "mapper services/mapper/Dockerfile r/m:1 there "
        f"{DIGEST}\nreducer services/reducer/Dockerfile r/r:1 missing\n"
    ) == command("stack", "images").out
    assert "secret\n" == command("stack", "registry-password").out


def test_preflight_shows_findings(
    command: Command, configured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`preflight` examines for the next deployment, and exits with 3 if a step is not well."""
    asked: list[DeploySettings] = []

    def examine(made: DeploySettings, _: object) -> Iterator[Finding]:
        asked.append(made)
        yield Finding(step="python", ok=True, seen="3.11")
        yield Finding(step="docker", ok=False, seen="not found", remedy="install Docker")

    monkeypatch.setattr("driver.doctor.examine_before_deploy", examine)
    said = command("stack", "preflight")
    assert (3, True) == (said.code, "install Docker" in said.out)
    assert [("eu-north-1", 2)] == [
        (made.region, made.model_dump()["mapper_count"]) for made in asked
    ]


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack with five tasks."""
    monkeypatch.setattr(
        "driver.cloud.stack.read_outputs", lambda _: Stack.model_validate(STACK_VALUES)
    )


@pytest.mark.parametrize("step", ["wait", "cost"])
def test_without_a_stack_there_is_nothing_to_ask(command: Command, step: str) -> None:
    """`wait` and `cost` without a stack exit with code 3."""
    assert 3 == command("stack", step).code


def test_the_cost_is_shown_by_the_hour_and_the_month(command: Command, deployed: None) -> None:
    """The cost is the list price by the hour and month, with half of the mappers on Spot."""
    vcpu, gib, spot = 0.04048, 0.004445, 0.3
    mapper = 2 * vcpu + 2 * gib
    hour = (0.5 * vcpu + 2 * gib) + (vcpu + 2 * gib) + 3 * mapper * (0.5 + 0.5 * spot)
    hour += 0.25 * vcpu + 0.5 * gib + 6 * 0.005  # the guard, and the addresses
    said = command("stack", "cost").out
    assert "about $0.50 a month when stopped" in said
    assert abs(float(said.partition("$")[2].split()[0]) - hour) < 0.01 * hour


def test_wait_looks_until_all_is_well(
    command: Command, deployed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`wait` looks until all steps are well, and prints each reason once."""
    looks = [[False], [False], [True]]
    monkeypatch.setattr(
        "driver.doctor.examine_stack",
        lambda _: [Finding(step="mapper", ok=ok, seen="0 of 3") for ok in looks.pop(0)],
    )
    monkeypatch.setattr("time.sleep", lambda _: None)
    said = command("stack", "wait")
    assert (0, 1) == (said.code, said.err.count("waiting: mapper: 0 of 3"))
    assert "5 tasks answer" in said.out


def test_wait_does_not_say_that_tasks_answer_which_nothing_can_call(
    command: Command, deployed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a closed port ECS alone tells that they run."""
    monkeypatch.setattr(
        "driver.doctor.examine_stack", lambda _: [Finding(step=CLOSED, ok=True, seen="closed")]
    )
    assert "5 tasks run, image" in command("stack", "wait").out


def test_wait_gives_up_with_the_step_that_is_missing(
    command: Command, deployed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`wait` gives up with exit code 3, and names the step."""
    monkeypatch.setattr(
        "driver.doctor.examine_stack",
        lambda _: [Finding(step="bucket", ok=False, seen="no bucket", remedy="deploy")],
    )
    said = command("stack", "wait", "--timeout-s", "-1")
    assert (3, True) == (said.code, "bucket: no bucket; deploy" in said.err)


def test_wait_ends_at_once_where_waiting_does_not_help(
    command: Command, deployed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version that does not start ends `wait` with exit code 3 and ECS's reason."""
    findings = [
        Finding(step="bucket", ok=False, seen="not yet"),
        Finding(step="mapper service", ok=False, seen="mapper:7 does not start", final=True),
    ]
    monkeypatch.setattr("driver.doctor.examine_stack", lambda _: findings)
    said = command("stack", "wait", "--timeout-s", "600")
    assert (3, True) == (said.code, "mapper service: mapper:7 does not start" in said.err)


def test_leftovers_are_listed_with_their_price(
    command: Command, configured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leftovers are listed with exit code 1; --deregister removes orphaned task definitions."""
    found = [[Leftover(arn=DEFINITION, costs_a_day="nothing")], []]
    gone: list[object] = []
    monkeypatch.setattr(leftovers, "find_leftovers", lambda *_: found[0])

    def deregister(left: list[Leftover], _: object) -> list[str]:
        gone.extend(left)
        return [DEFINITION]

    monkeypatch.setattr(leftovers, "deregister_orphans", deregister)
    said = command("stack", "leftovers")
    assert (1, True, []) == (said.code, f"{DEFINITION}: nothing" in said.out, gone)
    assert f"deregistered {DEFINITION}" in command("stack", "leftovers", "--deregister").err
    found.pop(0)
    assert (0, 1) == (command("stack", "leftovers").code, len(gone))


def test_leftovers_of_a_lost_checkout_need_name_and_region(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With name and region, leftovers are listed without a settings file; without one of them the
    file is needed.
    """
    asked: list[object] = []

    def find(name: str, services: list[str], aws: Any) -> list[Leftover]:
        asked.extend((name, aws.region, services))
        return []

    monkeypatch.setattr(leftovers, "find_leftovers", find)
    said = command("stack", "leftovers", "--name", "books", "--region", "eu-north-1")
    services = ["splitter", "mapper", "reducer", "guard"]
    assert (0, ["books", "eu-north-1", services]) == (said.code, asked)
    assert "nothing is left of books in eu-north-1" in said.out
    assert 2 == command("stack", "leftovers", "--name", "books").code


@pytest.mark.parametrize(("tasks", "code"), [(3, 3), (0, 0)])
def test_wait_for_a_stopped_stack(
    command: Command, monkeypatch: pytest.MonkeyPatch, tasks: int, code: int
) -> None:
    """Tasks that were stopped before they answered are an error, unless the variables want none."""
    services = Stack.model_validate(STACK_VALUES).model_dump()["services"]
    counts = {role: {**each, "desired_count": tasks} for role, each in services.items()}
    stack = Stack.model_validate(STACK_VALUES | {"services": counts})
    monkeypatch.setattr("driver.cloud.stack.read_outputs", lambda _: stack)
    found = Finding("services", True, "all tasks are stopped")
    monkeypatch.setattr("driver.doctor.examine_stack", lambda _: iter([found]))
    said = command("stack", "wait", "--timeout-s", "0")
    assert (code, "stopped" in said.out + said.err) == (said.code, True)
