"""MapReduce's stack as Terraform's outputs describe it, and the call of Terraform that reads the
outputs and the state of any system.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import subprocess
import warnings
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from driver.cloud.outputs import StackOutputs, SystemStack, TaskOutputs
from driver.cloud.system import DEFAULT_SYSTEM, script
from driver.cloud.terraform import FOLDER_VARIABLE, STACK_VARIABLE, is_applied, needs_init
from driver.forecast.pricing import GUARD, ServiceSize, standing_month
from driver.transport.endpoint import Role
from mapreduce.errors import FleetError

TIMEOUT_S = 60.0
Outputs = TypeVar("Outputs", bound=StackOutputs)


class ServiceOutputs(TaskOutputs):
    """One service of MapReduce's stack, with no other output than these."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int

    @property
    def slots(self) -> int:
        """Tasks that one container runs at the same time: its vCPUs, rounded up."""
        return max(1, math.ceil(self.cpu / 1024))


class GuardOutputs(BaseModel):
    """The idle guard: its service, task definition and log group."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service_name: str
    task_definition_arn: str
    log_group: str


class StackIdentity(BaseModel):
    """What tells one stack in an account from another."""

    model_config = ConfigDict(frozen=True)

    name: str
    region: str

    def __str__(self) -> str:
        return f"{self.name} in {self.region}"


class Stack(StackOutputs):
    """All outputs of MapReduce's root module, and no others, so that a change on either side is
    found.

    Terraform leaves out an output that is null.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bucket: str
    extra_input_buckets: tuple[str, ...]
    extra_kms_key_arns: tuple[str, ...]
    allowed_cidrs: tuple[str, ...]
    address_kind: Literal["public", "private"]
    spot_share: int
    signing_key_parameter: str
    alarms: bool
    dashboard: bool
    services: dict[Role, ServiceOutputs]  # type: ignore[assignment]  # the roles have a type here
    idle_stop_minutes: int
    guard: GuardOutputs | None = None
    driver_task_definition: str | None = None
    driver_subnets: tuple[str, ...] | None = None
    driver_security_group: str | None = None
    driver_log_group: str | None = None

    def sizes(self) -> list[ServiceSize]:
        """Return the sizes of all tasks; the idle guard's too, while a service has tasks."""
        found = super().sizes()
        if self.guard is not None and any(size.count for size in found):
            found.append(replace(GUARD, is_public=self.assign_public_ip))
        return found

    def spot_share_of(self, role: str) -> int:
        """Return the percentage of a service's tasks on Fargate Spot: only mappers run there."""
        return self.spot_share if role == "mapper" else 0

    def standing_cost(self) -> float:
        """Return the dollars a month of the stack while it has no tasks, without what is stored."""
        return standing_month(self.service_discovery, alarms=self.alarms, dashboard=self.dashboard)

    @property
    def account(self) -> str:
        """The number of the account, as the ARN of a task definition names it."""
        return self.services["mapper"].task_definition_arn.split(":")[4]

    @property
    def store(self) -> str:
        """The store's root URL."""
        return f"s3://{self.bucket}"


def read_stack(folder: Path) -> Stack | None:
    """Return MapReduce's stack that the outputs describe, or None when nothing is deployed.

    A driver in AWS finds the outputs in its environment, and asks no Terraform.

    Raises:
        FleetError: Terraform is missing, fails, takes too long, does not know the state's bucket
            yet, the stack is of another system, or its outputs are not those of this version.
    """
    given = os.environ.get(STACK_VARIABLE)
    values = _outputs(folder) if given is None else _of_environment(given)
    if values is None:
        return None
    system = values.get("system", DEFAULT_SYSTEM)
    if system != DEFAULT_SYSTEM:
        raise FleetError(
            f"{folder} holds a stack of {system}, and this command is for MapReduce; "
            f"unset {FOLDER_VARIABLE}"
        )
    return _validated(Stack, values)


def read_outputs(folder: Path) -> StackOutputs | None:
    """Return the stack of any system that the outputs describe, or None when nothing is deployed.

    MapReduce's is a `Stack`. Raises `FleetError` as `read_stack` does.
    """
    values = _outputs(folder)
    if values is None:
        return None
    is_default = values.get("system", DEFAULT_SYSTEM) == DEFAULT_SYSTEM
    return _validated(Stack, values) if is_default else _validated(SystemStack, values)


def _outputs(folder: Path) -> dict[str, Any] | None:
    """Return the values of the outputs by name, or None when nothing is deployed."""
    if needs_init(folder):
        raise FleetError(
            "Terraform's state is in a bucket that this checkout has not used yet; run: "
            f"terraform -chdir={folder} init"
        )
    if not is_applied(folder):
        return None
    outputs: dict[str, dict[str, object]] | None = _json(folder, "output", "-json")
    return {name: output["value"] for name, output in outputs.items()} if outputs else None


def _of_environment(text: str) -> dict[str, Any]:
    """Return the values of the outputs that the container's environment holds."""
    try:
        values = json.loads(text)
    except ValueError as exc:
        raise FleetError(
            f"{STACK_VARIABLE} is no JSON: {exc}; run {script('deploy', DEFAULT_SYSTEM)}"
        ) from exc
    if not isinstance(values, dict):
        raise FleetError(
            f"{STACK_VARIABLE} is no object of JSON; run {script('deploy', DEFAULT_SYSTEM)}"
        )
    return values


def _validated(kind: type[Outputs], values: dict[str, Any]) -> Outputs:
    try:
        return kind.model_validate(values)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        deploy = script("deploy", str(values.get("system", DEFAULT_SYSTEM)))
        raise FleetError(
            f"the stack's outputs are not those of this version ({where}: {first['msg']}); "
            f"run {deploy}"
        ) from exc


def stack_of_state(folder: Path) -> StackIdentity | None:
    """Return whose resources the state holds, or None when it holds none.

    Outputs do not tell: a deployment or a destruction that stopped half-way has none.

    Raises:
        FleetError: Terraform is missing, fails, or takes too long.
    """
    if not is_applied(folder):
        return None
    state = _json(folder, "state pull") or {}
    for resource in state.get("resources", []):
        for instance in resource.get("instances", []) if resource.get("mode") == "managed" else []:
            attributes = instance.get("attributes") or {}
            name = (attributes.get("tags_all") or {}).get("Stack")
            _, _, _, region, *_ = [*str(attributes.get("arn") or "").split(":"), *[""] * 4]
            if name and region:  # the ARN of a bucket or a role names no region
                return StackIdentity(name=name, region=region)
    return None


def _json(folder: Path, command: str, *options: str) -> Any:
    """Return what a Terraform command prints as JSON, by the one call of python-terraform that
    prints nothing; None when it is nothing.

    Some values may be sensitive: they are returned, never logged.
    """
    if shutil.which("terraform") is None:
        raise FleetError(
            "there is a Terraform state, but terraform is not installed to read it; "
            "install it, or use --target local"
        )
    logging.getLogger("python_terraform").setLevel(logging.ERROR)
    import python_terraform
    from python_terraform import Terraform, TerraformCommandError

    started: list[subprocess.Popen[bytes]] = []

    def start(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(*args, **kwargs))
        return started[-1]

    # the library waits for Terraform without end and keeps its process to itself
    python_terraform.subprocess = SimpleNamespace(Popen=start, PIPE=subprocess.PIPE)

    def ask() -> tuple[int, str, str]:
        with warnings.catch_warnings():  # python-terraform calls Logger.warn
            warnings.simplefilter("ignore", DeprecationWarning)
            answer: tuple[int, str, str] = Terraform(working_dir=str(folder)).cmd(
                command, "-no-color", *options
            )
            return answer

    pool = ThreadPoolExecutor(1)
    asked = pool.submit(ask)
    try:
        code, out, err = asked.result(timeout=TIMEOUT_S)
    except TookTooLong:
        for process in started:
            process.kill()
        raise FleetError(
            f"terraform {command} took more than {TIMEOUT_S:.0f} s in {folder}; "
            "is its backend there?"
        ) from None
    except (TerraformCommandError, OSError, ValueError) as exc:
        raise FleetError(f"terraform {command} failed in {folder}: {exc}") from exc
    finally:
        pool.shutdown(wait=False)
    if code != 0:
        raise FleetError(f"terraform {command} failed in {folder}: {_last_line(err)}")
    try:
        return json.loads(out) if out.strip() else None
    except ValueError as exc:
        raise FleetError(f"terraform {command} printed no JSON in {folder}: {exc}") from exc


def _last_line(text: str) -> str:
    lines = [line.strip(" │╷╵") for line in text.splitlines()]
    return next((line for line in lines if line.startswith("Error")), "") or "it printed nothing"
