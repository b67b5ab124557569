"""A system that deploy.sh can deploy, as the file system.toml beside its Terraform root describes
it. No other code knows a system by its name, but for the default.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from driver.cloud.terraform import CHECKOUT
from driver.forecast.pricing import ServiceDiscovery
from mapreduce.errors import UsageError

DESCRIPTION = "system.toml"
DEFAULT_SYSTEM = "mapreduce"
_MODULE = re.compile(r'^\s*source\s*=\s*"(?:\.{1,2}/)+(?:terraform/)?modules/(\w+)"', re.MULTILINE)
_VARIABLE = re.compile(r'^variable\s+"(\w+)"', re.MULTILINE)


class _Described(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageSource(_Described):
    """What an image is built from: a Dockerfile; the context is the repository's root."""

    dockerfile: str


class ServiceSource(_Described):
    """The size and number of a service's tasks, unless Terraform's variables say otherwise.

    Attributes:
        count: number of tasks.
        cpu: CPU units of a task (1024 = 1 vCPU).
        memory: of a task, in MiB.
        count_variable: Terraform's variable for the number; ROLE_count by default.
        cpu_variable: Terraform's variable for the CPU units; ROLE_cpu by default.
        spot_variable: Terraform's variable for the percentage on Fargate Spot, if there is one.
        beside: a variable with its default: while it is not 0, the tasks run beside those of the
            other services, and not alone.
        numbered: up to how many ECS services there are, each with a part of the tasks: ROLE,
            ROLE-1, ROLE-2.
        needs: a variable without which there are no tasks.
        url: of a task for people, with {address} and {port}; printed after a deployment.
    """

    count: int = Field(1, ge=0)
    cpu: int = Field(gt=0)
    memory: int = Field(gt=0)
    count_variable: str = ""
    cpu_variable: str = ""
    spot_variable: str = ""
    beside: dict[str, int] = {}
    numbered: int = Field(1, ge=1)
    needs: str = ""
    url: str = ""


class ExtraRights(_Described):
    """Actions that a deployment needs while one of Terraform's variables is set, or always."""

    actions: tuple[str, ...]
    when: str = ""


class System(_Described):
    """A system: its names, what its images are made of, and its services' sizes.

    Attributes:
        system: what `--system` and the tag System name it by.
        name: the stack's name by default.
        title: its name for people.
        sources: files and folders that the images' tag is a hash of.
        images: by role.
        services: by role.
        next: lines that are printed after a deployment, with {command}, {name} and {region}.
        service_discovery: kind of the Cloud Map namespace by default.
        dns_namespace: the name of a namespace with DNS, with {name}.
        rights: actions beside those of the modules that the root composes.
        modules: the modules that the root composes.
        variables: the root's variables.
    """

    system: str = Field(pattern=r"^[a-z]([_-]?[a-z0-9])*$")
    name: str
    title: str
    sources: tuple[str, ...]
    images: dict[str, ImageSource]
    services: dict[str, ServiceSource]
    next: tuple[str, ...] = ()
    service_discovery: ServiceDiscovery = "none"
    dns_namespace: str = "{name}.internal"
    rights: tuple[ExtraRights, ...] = ()
    modules: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()

    @property
    def is_default(self) -> bool:
        """Whether commands mean this system when they name none."""
        return self.system == DEFAULT_SYSTEM

    @property
    def deploy(self) -> str:
        """The command that deploys it."""
        return script("deploy", self.system)

    def roles(self) -> Iterator[str]:
        """Yield the name of every ECS service that a stack may have."""
        for role, service in self.services.items():
            yield from numbered(role, service.numbered)

    def dockerfile(self, role: str) -> str:
        """Return the path of an image's Dockerfile in the checkout."""
        return self.images[role].dockerfile


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks of one service that a deployment starts: how many, how many of them on Fargate
    Spot, the vCPUs of each, and the variables that say so.
    """

    role: str
    count: int
    on_spot: int
    vcpus: float
    count_variable: str
    cpu_variable: str
    spot_variable: str


def tasks_of(system: System, chosen: Mapping[str, object]) -> list[Tasks]:
    """Return the tasks that a deployment with these variables starts, of each service."""
    found = [_tasks(role, service, chosen) for role, service in system.services.items()]
    alone = [each for each in found if not system.services[each.role].beside]
    if any(each.count for each in alone):
        return found
    return [each for each in found if each in alone]


def _tasks(role: str, service: ServiceSource, chosen: Mapping[str, object]) -> Tasks:
    word = role.replace("-", "_")
    count_variable = service.count_variable or f"{word}_count"
    cpu_variable = service.cpu_variable or f"{word}_cpu"
    count = _number(chosen, count_variable, service.count)
    if not all(_number(chosen, *pair) for pair in service.beside.items()):
        count = 0
    if service.needs and not chosen.get(service.needs):
        count = 0
    share = _number(chosen, service.spot_variable, 0) if service.spot_variable else 0
    return Tasks(
        role=role,
        count=count,
        # ECS divides the tasks by the weights of both providers; rounded to the nearest task
        on_spot=(count * share + 50) // 100,
        vcpus=_number(chosen, cpu_variable, service.cpu) / 1024,
        count_variable=count_variable,
        cpu_variable=cpu_variable,
        spot_variable=service.spot_variable,
    )


def _number(chosen: Mapping[str, object], name: str, default: int) -> int:
    value = chosen.get(name)
    if value is None:
        return default
    try:
        return int(str(value))
    except ValueError:
        raise UsageError(f"{name} is {value!r}, and must be a whole number") from None


def numbered(role: str, number: int) -> Iterator[str]:
    """Yield the names of a number of services of one role: ROLE, ROLE-1, ROLE-2."""
    yield role
    for at in range(1, number):
        yield f"{role}-{at}"


def script(name: str, system: str) -> str:
    """Return the command line of deploy.sh or destroy.sh for a system."""
    return f"./{name}.sh" if system == DEFAULT_SYSTEM else f"./{name}.sh --system {system}"


def system_of(folder: Path) -> System:
    """Return the system whose Terraform root is a folder.

    A root without a description is MapReduce's, in a place of its own.

    Raises:
        UsageError: the description is missing or wrong.
    """
    file = folder / DESCRIPTION
    if not file.exists():
        folder = CHECKOUT / "terraform"
        file = folder / DESCRIPTION
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as exc:
        raise UsageError(
            f"{file} cannot be read: {exc.strerror}; run this in a checkout of the repository"
        ) from exc
    except ValueError as exc:
        raise UsageError(f"{file} is no TOML: {exc}") from exc
    text = "\n".join(each.read_text(encoding="utf-8") for each in sorted(folder.glob("*.tf")))
    found = {
        "system": folder.resolve().parent.name.replace("_", "-"),
        **values,
        "modules": frozenset(_MODULE.findall(text)),
        "variables": frozenset(_VARIABLE.findall(text)),
    }
    try:
        return System.model_validate(found)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{file}: {where}: {first['msg']}") from exc


def check_variables(
    system: System, names: Mapping[str, object], reserved: Mapping[str, str]
) -> None:
    """Check that a system has variables.

    Args:
        system: the system.
        names: the variables.
        reserved: variables that have an option of their own, and the option.

    Raises:
        UsageError: it has no such variable, or an option sets it.
    """
    for name in names:
        if name in reserved:
            raise UsageError(f"--var {name}: use {reserved[name]}")
        if name not in system.variables:
            near = get_close_matches(name, system.variables, 1)
            hint = f"; do you mean {near[0]}?" if near else ""
            raise UsageError(f"--var {name}: {system.title} has no variable of that name{hint}")
