"""The stack as Terraform's outputs describe it: the one place that knows the outputs' names."""

from __future__ import annotations

import json
import logging
import math
import shutil
import subprocess
import warnings
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from driver.cloud.terraform import is_applied, needs_init
from driver.forecast.pricing import ServiceDiscovery
from driver.transport.endpoint import Role
from mapreduce.errors import FleetError

TIMEOUT_S = 60.0


class ServiceOutputs(BaseModel):
    """One service of the stack: its names in AWS, and its size (CPU units, MiB)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service_name: str
    task_definition_arn: str
    discovery_service_id: str | None
    discovery_service_name: str | None
    container_name: str
    port: int
    log_group: str
    desired_count: int
    cpu: int
    memory: int

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


class Stack(BaseModel):
    """All outputs of the root module, and no others, so that a change on either side is found.

    Terraform leaves out an output that is null.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: str
    name: str
    bucket: str
    extra_input_buckets: tuple[str, ...]
    extra_kms_key_arns: tuple[str, ...]
    cluster: str
    service_discovery: ServiceDiscovery
    namespace: str | None = None
    allowed_cidrs: tuple[str, ...]
    address_kind: Literal["public", "private"]
    assign_public_ip: bool
    architecture: Literal["X86_64", "ARM64"]
    spot_share: int
    signing_key_parameter: str
    repository_urls: dict[str, str]
    image_tag: str
    alarms: bool
    dashboard: bool
    services: dict[Role, ServiceOutputs]
    idle_stop_minutes: int
    guard: GuardOutputs | None = None

    @property
    def account(self) -> str:
        """The number of the account, as the ARN of a task definition names it."""
        return self.services["mapper"].task_definition_arn.split(":")[4]

    @property
    def store(self) -> str:
        """The store's root URL."""
        return f"s3://{self.bucket}"


def read_stack(folder: Path) -> Stack | None:
    """Return the stack that the outputs describe, or None when nothing is deployed.

    Raises:
        FleetError: Terraform is missing, fails, takes too long, does not know the state's bucket
            yet, or its outputs are not those of this version.
    """
    if needs_init(folder):
        raise FleetError(
            "Terraform's state is in a bucket that this checkout has not used yet; run: "
            f"terraform -chdir={folder} init"
        )
    if not is_applied(folder):
        return None
    outputs: dict[str, dict[str, object]] = _json(folder, "output", "-json")
    if not outputs:
        return None
    try:
        return Stack.model_validate({name: output["value"] for name, output in outputs.items()})
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise FleetError(
            f"the stack's outputs are not those of this version ({where}: {first['msg']}); "
            "run ./deploy.sh"
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
