"""The decisions of deploy.sh: Terraform's variables, and the tag of the images' content."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from driver.cloud.stack import StackIdentity
from driver.cloud.system import DESCRIPTION, System, script
from driver.forecast.pricing import Architecture
from mapreduce.errors import UsageError

SETTINGS_FILE = "deploy.auto.tfvars.json"
"""The variables of the last deployment, which Terraform reads at every apply."""
NEXT_FILE = "deploy.next.tfvars.json"
"""The variables of a deployment whose images are not pushed yet; Terraform does not read it
unasked."""
CHOSEN = {
    "region": "--region",
    "name": "--name",
    "architecture": "--architecture",
    "existing_role_name": "--role",
    "allowed_cidrs": "--allow",
    "image_tag": "./deploy.sh alone",
    "image_digests": "./deploy.sh alone",
}
"""Variables that options of `stack settings` set, or deploy.sh, and these."""


class DeploySettings(BaseModel):
    """The variables that deploy.sh writes for Terraform; variables added by hand stay."""

    model_config = ConfigDict(frozen=True, extra="allow")

    region: str
    name: str
    image_tag: str
    image_digests: dict[str, str] = {}
    """By role, of the pushed images; deploy.sh adds them after the push."""
    architecture: Architecture = "X86_64"
    allowed_cidrs: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """What will be deployed, and who may call it, in one line."""
        who = ", ".join(self.allowed_cidrs) or "no address outside the VPC"
        return (
            f"stack {self.name} in {self.region}, "
            f"images {self.image_tag} ({self.architecture}), callable by {who}"
        )

    @property
    def identity(self) -> StackIdentity:
        """The stack that is deployed."""
        return StackIdentity(name=self.name, region=self.region)

    @property
    def platform(self) -> str:
        """Docker's name of the architecture."""
        return "linux/arm64" if self.architecture == "ARM64" else "linux/amd64"


def merged_settings(
    system: System,
    before: dict[str, object],
    region: str | None,
    image_tag: str,
    own_address: str | None,
    **chosen: object,
) -> DeploySettings:
    """Return the settings of this deployment: chosen values, the last deployment's, or defaults.

    Args:
        system: what is deployed.
        before: the last deployment's settings, or nothing.
        region: chosen now, or the environment's.
        image_tag: of the images as they are now.
        own_address: this machine's public address; None when unknown.
        chosen: variables chosen now; None means not chosen.

    Raises:
        UsageError: there is no region, or an address range is invalid.
    """
    values = (
        {"name": system.name}
        | before
        | {name: value for name, value in chosen.items() if value is not None}
        | {"image_tag": image_tag, "image_digests": {}}
    )
    values["region"] = region or values.get("region")
    if not values["region"]:
        raise UsageError("no region is set; give e.g. --region us-east-1, or export AWS_REGION")
    if "allowed_cidrs" not in values and own_address:
        values["allowed_cidrs"] = [f"{own_address}/32"]
    check_ranges(values.get("allowed_cidrs", ()))  # type: ignore[arg-type]
    return DeploySettings.model_validate(values)


def check_ranges(cidrs: Iterable[str]) -> None:
    """Check address ranges; raises `UsageError`."""
    for cidr in cidrs:
        try:
            ipaddress.IPv4Network(cidr)
        except ValueError as exc:
            raise UsageError(
                f"--allow {cidr}: {exc}; write an IPv4 range such as 203.0.113.7/32"
            ) from exc


def check_is_same(system: str, wanted: StackIdentity, deployed: StackIdentity | None) -> None:
    """Check that a deployment is of the stack that this checkout's state holds, if it holds one.

    Another name would replace the bucket, with all that is stored in it; in another region
    Terraform would not find the stack, forget it, and leave its tasks running.

    Raises:
        UsageError: it is of another stack.
    """
    if deployed is not None and deployed != wanted:
        raise UsageError(
            f"this checkout holds the stack {deployed}, and would lose it by deploying {wanted}; "
            f"run {script('destroy', system)} first, or deploy the other stack from another "
            f"checkout (git worktree add ../{wanted.name})"
        )


def architecture_of(machine: str) -> Architecture:
    """Return the architecture of a machine by its name for it, as of `platform.machine()`."""
    return "ARM64" if machine.lower() in ("arm64", "aarch64") else "X86_64"


def content_tag(root: Path, sources: Iterable[str], architecture: str, build_options: str) -> str:
    """Return the images' tag: twelve hex digits of the SHA-256 of all that makes them.

    Args:
        root: the repository.
        sources: files and folders in it; the names and bytes of the images' files count, and with
            the Dockerfiles the names of the base images.
        architecture: of the images.
        build_options: more options of `docker build`, base images among them; spaces between them
            do not count.
    """
    words = (architecture, *build_options.split())
    digest = hashlib.sha256(b"%d " % len(words))
    for word in words:
        digest.update(b"%d %s " % (len(word.encode()), word.encode()))
    for path in _image_files(root, sources):
        name, data = path.relative_to(root).as_posix().encode(), path.read_bytes()
        digest.update(b"%d %s %d " % (len(name), name, len(data)) + data)
    return digest.hexdigest()[:12]


def _image_files(root: Path, sources: Iterable[str]) -> Iterable[Path]:
    for source in sources:
        path = root / source
        if not path.exists():
            raise UsageError(f"{path} is missing, which an image is made of; see {DESCRIPTION}")
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in files if file.is_file() and _is_source(file, path))


def _is_source(file: Path, folder: Path) -> bool:
    """Return whether a file is a source, and not built on this machine, Terraform's or for people;
    as .dockerignore says.
    """
    inside = file.relative_to(folder).parts
    return not _LEFT_OUT & {*inside} and file.suffix not in (".so", ".pyc")


_LEFT_OUT = frozenset({"__pycache__", "terraform", "README.md"})
