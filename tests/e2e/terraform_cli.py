"""Terraform with its AWS provider, from this machine's disk if it is there, else from Terraform's
usual source.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.e2e.log import CannotRun, StepFailed
from tests.e2e.processes import Shell

LOCK = ".terraform.lock.hcl"
ADDRESS = "registry.terraform.io/hashicorp/aws"
CONFIGURATION = """provider_installation {{
  filesystem_mirror {{
    path    = "{mirror}"
    include = ["{address}"]
  }}
  direct {{
    exclude = ["{address}"]
  }}
}}
"""


def copy_of(terraform: Path, target: Path) -> None:
    """Copy the root module as git has it: without the state, settings and overrides of a
    deployment.
    """
    left = shutil.ignore_patterns(
        ".terraform", "*.tfstate*", "deploy.*.tfvars.json", "*_override.tf*", "*.tfplan"
    )
    shutil.copytree(terraform, target, ignore=left)


def with_provider(
    shell: Shell, root: Path, temporary: Path, lock: Path | None = None
) -> tuple[Shell, str]:
    """Return a shell in which `terraform init` has run in `root`, and the source of the provider.

    Args:
        shell: where Terraform is.
        root: a root module.
        temporary: a folder for Terraform's settings.
        lock: the file that names the provider's version, if it is not the root's own.

    Raises:
        CannotRun: there is no Terraform, or no provider for it.
    """
    if shutil.which("terraform") is None:
        raise CannotRun("terraform is not on PATH: developer.hashicorp.com/terraform/install")
    version = locked_version(lock or root / LOCK)
    where = "Terraform's own places"
    if found := _on_disk(shell, version):
        shell = _with_mirror(shell, found, version, temporary)
        where = "this machine's disk"
    try:
        shell.run("terraform", f"-chdir={root}", "init", "-input=false", "-no-color")
    except StepFailed as exc:
        raise CannotRun(
            f"terraform init finds no AWS provider {version}, on disk or elsewhere: {exc}"
        ) from exc
    return shell, f"AWS provider {version} from {where}"


def locked_version(lock: Path) -> str:
    """Return the provider's version in the lock file."""
    found = re.search(
        rf'provider "{re.escape(ADDRESS)}" {{\s+version\s+= "([\d.]+)"', lock.read_text()
    )
    if found is None:
        raise StepFailed(f"{lock.name} locks no {ADDRESS}")
    return found[1]


def _on_disk(shell: Shell, version: str) -> Path | None:
    """Return the folder of an unpacked provider of this version anywhere on the disk."""
    name = f"terraform-provider-aws_v{version}*"
    # a folder without permission gives exit code 1
    out = shell.run(
        "find", "/", "-xdev", "-type", "f", "-perm", "-u+x", "-name", name, ok=(0, 1)
    ).out
    return next((Path(line).parent for line in out.splitlines()), None)


def _with_mirror(shell: Shell, provider: Path, version: str, temporary: Path) -> Shell:
    """Return a shell whose Terraform takes the provider only from this folder."""
    platform = re.search(r"on (\w+)", shell.run("terraform", "version").out)
    place = temporary / "mirror" / ADDRESS / version / (platform[1] if platform else "linux_amd64")
    place.parent.mkdir(parents=True)
    place.symlink_to(provider, target_is_directory=True)
    file = temporary / "terraform.rc"
    file.write_text(CONFIGURATION.format(mirror=temporary / "mirror", address=ADDRESS))
    return shell.having(TF_CLI_CONFIG_FILE=str(file))
