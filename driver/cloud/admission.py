"""Changes one part of a deployed stack: who may call it, or what starts drivers in it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from driver.cloud.deploy.deployment import SETTINGS_FILE, DeploySettings
from mapreduce.errors import FleetError

RULE = "aws_vpc_security_group_ingress_rule.http"
"""The rules of modules/service that admit callers; a test compares the name."""
APPLY_S = 600.0


def rules_of(roles: Iterable[str]) -> list[str]:
    """Return Terraform's addresses of the rules."""
    return [f'module.service["{role}"].{RULE}' for role in roles]


def admit(settings: DeploySettings, folder: Path, roles: Iterable[str]) -> None:
    """Write the settings, and let Terraform apply the rules of these roles.

    Later applies read the same file, so none takes the rules back. When Terraform fails, the file
    is what it was.

    Args:
        settings: the settings of the last deployment, with other ranges.
        folder: Terraform's root module.
        roles: the services.

    Raises:
        FleetError: Terraform is missing, or fails.
    """
    apply_part(settings, folder, rules_of(roles))


def apply_part(settings: DeploySettings, folder: Path, addresses: Iterable[str]) -> None:
    """Write the settings, and let Terraform apply some resources or modules.

    Args:
        settings: the settings of the last deployment, with a change.
        folder: Terraform's root module.
        addresses: what to apply, by Terraform's addresses.

    Raises:
        FleetError: as `admit`.
    """
    path = folder / SETTINGS_FILE
    before = path.read_bytes()
    _replace(path, (settings.model_dump_json(indent=2) + "\n").encode())
    try:
        _terraform("apply", folder, addresses)
    except BaseException:
        _replace(path, before)
        raise


def delete_part(folder: Path, addresses: Iterable[str]) -> None:
    """Let Terraform delete some resources or modules; one that does not exist is no error.

    Args:
        folder: Terraform's root module.
        addresses: what to delete, by Terraform's addresses.

    Raises:
        FleetError: as `admit`.
    """
    _terraform("destroy", folder, addresses)


def _terraform(verb: Literal["apply", "destroy"], folder: Path, addresses: Iterable[str]) -> None:
    if shutil.which("terraform") is None:
        raise FleetError("terraform is not installed; run ./deploy.sh where it is")
    targets = [f"-target={address}" for address in addresses]
    command = ["terraform", f"-chdir={folder}", verb, "-auto-approve", "-input=false"]
    try:
        done = subprocess.run(
            [*command, "-no-color", *targets],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=APPLY_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise FleetError(f"terraform {verb} failed in {folder}: {exc}") from exc
    if done.returncode:
        lines = [line.strip(" │╷╵") for line in done.stderr.splitlines()]
        why = next((line for line in lines if line.startswith("Error")), "it printed no error")
        raise FleetError(f"terraform {verb} failed in {folder}: {why}; then run this again")


def _replace(path: Path, data: bytes) -> None:
    """Replace a file at once: an apply that runs meanwhile reads the old or the new one."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(data)
    new.replace(path)
