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

from driver.cloud.terraform import is_applied
from driver.transport.endpoint import Role
from mapreduce.errors import FleetError

TIMEOUT_S = 60.0


class ServiceOutputs(BaseModel):
    """One service of the stack: its names in AWS, and its size (CPU units, MiB)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service_name: str
    discovery_service_id: str
    discovery_service_name: str
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


class Stack(BaseModel):
    """All outputs of the root module, and no others, so that a change on either side is found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: str
    name: str
    bucket: str
    extra_input_buckets: tuple[str, ...]
    cluster: str
    namespace: str
    address_kind: Literal["public", "private"]
    architecture: Literal["X86_64", "ARM64"]
    spot_share: int
    signing_key_secret_arn: str
    repository_urls: dict[Role, str]
    image_tag: str
    services: dict[Role, ServiceOutputs]

    @property
    def store(self) -> str:
        """The store's root URL."""
        return f"s3://{self.bucket}"


def read_stack(folder: Path) -> Stack | None:
    """Return the stack that the outputs describe, or None when nothing is deployed.

    Raises:
        FleetError: Terraform is missing, fails, takes too long, or its outputs are not those of
            this version.
    """
    if not is_applied(folder):
        return None
    if shutil.which("terraform") is None:
        raise FleetError(
            "there is a Terraform state, but terraform is not installed to read it; "
            "install it, or use --target local"
        )
    outputs = _outputs(folder)
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


def _outputs(folder: Path) -> dict[str, dict[str, object]]:
    """Return `terraform output -json`, by the one call of python-terraform that prints nothing.

    Some values may be sensitive: they are returned, never logged.
    """
    logging.getLogger("python_terraform").setLevel(logging.ERROR)
    import python_terraform
    from python_terraform import IsFlagged, Terraform, TerraformCommandError

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
                "output", json=IsFlagged, no_color=IsFlagged
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
            f"terraform output took more than {TIMEOUT_S:.0f} s in {folder}; is its backend there?"
        ) from None
    except (TerraformCommandError, OSError, ValueError) as exc:
        raise FleetError(f"terraform output failed in {folder}: {exc}") from exc
    finally:
        pool.shutdown(wait=False)
    if code != 0:
        raise FleetError(f"terraform output failed in {folder}: {_last_line(err)}")
    try:
        parsed: dict[str, dict[str, object]] = json.loads(out)
    except ValueError as exc:
        raise FleetError(f"terraform output printed no JSON in {folder}: {exc}") from exc
    return parsed


def _last_line(text: str) -> str:
    lines = [line.strip(" │╷╵") for line in text.splitlines()]
    return next((line for line in lines if line.startswith("Error")), "") or "it printed nothing"
