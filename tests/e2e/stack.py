"""The stack as a user has it: a checkout with ./deploy.sh, ./destroy.sh, Terraform and `python -m
driver`.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.e2e.emulator import REGION, Emulator
from tests.e2e.log import StepFailed
from tests.e2e.machine import Engine
from tests.e2e.processes import Finished, Running, Shell
from tests.e2e.system import SUFFIX, System

SETTLE_S = 90.0
SETTINGS_FILE = "deploy.auto.tfvars.json"
TASK_LABEL = "com.amazonaws.ecs.task-arn"
FAMILY_LABEL = "com.amazonaws.ecs.task-definition-family"
CONTAINER_LABEL = "com.amazonaws.ecs.container-name"
KEPT_HIDDEN = (".dockerignore",)
IGNORED = (
    "build",
    "__pycache__",
    ".terraform",
    "*.tfstate*",
    "deploy.*.tfvars.json",
    "*_override.tf",
    "*_override.tf.json",
    "*.tfplan",
)
# the emulator does not store this attribute, so every plan would show it as a change
FORGOTTEN = """resource "aws_ecs_service" "this" {
  lifecycle {
    ignore_changes = [availability_zone_rebalancing]
  }
}
"""
OVERRIDES = {
    "service": FORGOTTEN,
    "guard": FORGOTTEN,
    # the emulator's ECS hands a SecureString to the container without decrypting it; and when the
    # answer to a PutParameter is lost, the SDK's second one must not find the parameter in its way
    "signing_key": """resource "aws_ssm_parameter" "this" {
  type      = "String"
  overwrite = true
}
""",
}
"""Module -> what differs for the emulator."""


@dataclass(frozen=True, slots=True)
class Box:
    """A container of the stack: Docker's id, its address, a name for its task (as the driver has
    it), the role of its service, and its own name in the task.
    """

    id: str
    address: str
    name: str
    role: str
    container: str


@dataclass(frozen=True, slots=True)
class DeployedStack:
    """A stack in the emulator, with the commands that work on it."""

    root: Path
    engine: Engine
    shell: Shell
    system: System
    name: str

    @property
    def folder(self) -> Path:
        """Return the folder of its Terraform."""
        return self.root / self.system.folder

    def deploy(self, *options: str) -> Finished:
        """Run ./deploy.sh."""
        return self.shell.run(self.root / "deploy.sh", *self.system.options, *options)

    def destroy(self) -> Finished:
        """Run ./destroy.sh without a confirmation."""
        return self.shell.run(self.root / "destroy.sh", *self.system.options, "--yes")

    def apply(self, *options: str) -> str:
        """Run `terraform apply` as in the README; return the line that counts the changes."""
        out = self._terraform("apply", "-auto-approve", *options).out
        return next((line for line in out.splitlines() if line.startswith("Apply complete")), "")

    def resources(self) -> str:
        """Return what `terraform show -json` prints of the state."""
        return self.shell.run("terraform", f"-chdir={self.folder}", "show", "-json").out

    def check_that_the_plan_is_empty(self) -> None:
        """Raise `StepFailed` if Terraform would change something."""
        finished = self._terraform("plan", "-detailed-exitcode", ok=(0, 2))
        if finished.code:
            changes = re.findall(r"^  # .*|^ +[~+-].*", finished.out, re.MULTILINE)
            raise StepFailed("\n".join(["Terraform would change:", *changes[:30]]))

    def outputs(self) -> dict[str, Any]:
        """Return the values of Terraform's outputs by name."""
        found = self.shell.run("terraform", f"-chdir={self.folder}", "output", "-json").out
        return {name: output["value"] for name, output in json.loads(found).items()}

    def change(self, source: str) -> None:
        """Add a comment to a Python file of the images, so that the next deploy rolls them."""
        with (self.root / source).open("a") as file:
            file.write(f"# {time.time_ns()}\n")

    def module(self, name: str, *arguments: str | Path, ok: tuple[int, ...] = (0,)) -> Finished:
        """Run `python -m NAME` in the checkout, with the emulator as AWS."""
        return self.shell.run(sys.executable, "-m", name, *arguments, ok=ok)

    def driver(self, *arguments: str | Path, ok: tuple[int, ...] = (0,)) -> Finished:
        """Run `python -m driver`."""
        return self.module("driver", *arguments, ok=ok)

    @contextmanager
    def running(self, name: str, *arguments: str | Path) -> Iterator[Running]:
        """Run `python -m NAME` in the background."""
        with self.shell.start(sys.executable, "-m", name, *arguments) as running:
            yield running

    @contextmanager
    def driving(self, *arguments: str | Path) -> Iterator[Running]:
        """Run `python -m driver` in the background."""
        with self.running("driver", *arguments) as running:
            yield running

    def boxes(self, role: str | None = None) -> list[Box]:
        """Return the running containers of a service, or of all services of the stack."""
        # by task definition: the containers of a task may have names of their own
        label = f"{FAMILY_LABEL}={self.name}-{role}" if role else FAMILY_LABEL
        filters = ("--filter", f"label={label}")
        while ids := self.engine.docker("ps", "--quiet", *filters).split():
            # a container that ends between the two questions makes the second one fail
            with suppress(StepFailed):
                found = json.loads(self.engine.docker("inspect", *ids))
                own = (
                    one for one in found if f"/{self.name}/" in one["Config"]["Labels"][TASK_LABEL]
                )
                boxes = (_box(one, self.name) for one in own)
                return sorted(boxes, key=lambda box: (box.name, box.container))
        return []

    def python_in(self, box: Box, code: str, ok: tuple[int, ...] = (0,)) -> Finished:
        """Run Python code in a container."""
        return self.shell.run("docker", "exec", box.id, "python", "-c", code, ok=ok)

    def wait_for_boxes(self, role: str, number: int) -> None:
        """Wait until a service has this number of containers; raise `StepFailed` on a timeout."""
        until = time.monotonic() + SETTLE_S
        while (found := len(self.boxes(role))) != number:
            if time.monotonic() > until:
                raise StepFailed(f"{found} containers of {role} run, and not {number}")
            time.sleep(1)

    @property
    def image_tag(self) -> str:
        """Return the tag that deploy.sh has given to the images."""
        return str(json.loads((self.folder / SETTINGS_FILE).read_text())["image_tag"])

    def _terraform(self, command: str, *options: str, ok: tuple[int, ...] = (0,)) -> Finished:
        return self.shell.run(
            "terraform",
            f"-chdir={self.folder}",
            command,
            "-input=false",
            "-no-color",
            *options,
            ok=ok,
        )


def checkout(repository: Path, target: Path) -> None:
    """Copy the repository without ignored files: the proof writes nothing into it."""
    hidden = [path.name for path in repository.glob(".*") if path.name not in KEPT_HIDDEN]
    shutil.copytree(repository, target, ignore=shutil.ignore_patterns(*hidden, *IGNORED))
    (target / ".venv").symlink_to(repository / ".venv", target_is_directory=True)


def prepare(
    system: System,
    root: Path,
    engine: Engine,
    shell: Shell,
    emulator: Emulator,
    options: str,
    name: str = "",
    s3: str = "",
    variables: Mapping[str, object] = MappingProxyType({}),
) -> DeployedStack:
    """Write the files that only the emulator needs into the checkout.

    Args:
        system: the system that the stack carries.
        root: the checkout.
        engine: the engine in which the emulator runs its tasks.
        shell: a shell with Terraform's provider.
        emulator: the target of the deployment.
        options: for `docker build`.
        name: of the stack, if it is not the system's.
        s3: the address of S3 for the containers, if it is not the emulator's.
        variables: more variables of Terraform, by name.
    """
    own = {"AWS_ENDPOINT_URL_S3": s3} if s3 else {}
    commands = replace(emulator.shell(shell), folder=root).having(
        MAPREDUCE_BUILD_OPTIONS=options, MAPREDUCE_TERRAFORM=str(root / system.folder)
    )
    made = DeployedStack(root, engine, commands, system, name or system.stack)
    for module, text in OVERRIDES.items():
        (root / "terraform" / "modules" / module / "emulator_override.tf").write_text(text)
    settings = {
        "region": REGION,
        "name": made.name,
        "allowed_cidrs": [f"{engine.gateway}/32"],
        "extra_environment": {**emulator.credentials, **system.environment, **own},
    }
    (made.folder / SETTINGS_FILE).write_text(
        json.dumps({**settings, **system.variables, **variables})
    )
    return made


def remove_images(engine: Engine, system: System) -> None:
    """Remove the images of the system's stacks from Docker; an engine started here keeps their
    layers for the next build.
    """
    template = "{{.Repository}}:{{.Tag}}"
    reference = f"reference=*/{system.stack.removesuffix(SUFFIX)}-*/*"
    found = engine.docker("images", "--filter", reference, "--format", template).split()
    if found:
        engine.docker("image", "rm", "--force", *(["--no-prune"] if engine.own else []), *found)


def _box(found: dict[str, Any], stack: str) -> Box:
    labels = found["Config"]["Labels"]
    task = labels[TASK_LABEL].rpartition("/")[2]
    role = labels[FAMILY_LABEL].removeprefix(f"{stack}-")
    networks = found["NetworkSettings"]["Networks"].values()
    address = next(network["IPAddress"] for network in networks)
    return Box(found["Id"], address, f"{role}-{task[:8]}", role, labels[CONTAINER_LABEL])
