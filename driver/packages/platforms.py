"""Where a job's packages are imported: the platform, and the libraries that it has already."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import driver
from mapreduce.code.modules import distributions_behind
from mapreduce.code.reserved import LIBRARIES
from mapreduce.packages.document import platform_here, platform_name

SERVICES_PYTHON = (3, 11)
"""The Python of the images; a test compares the Dockerfiles."""
SERVICES_GLIBC = (2, 36)
"""The C library of the images (Debian 12)."""
_PINS = Path(driver.__file__).parents[1] / "requirements" / "services.txt"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_MACHINES = {"X86_64": "x86_64", "ARM64": "aarch64"}
_OLD_NAMES = {
    "x86_64": ("manylinux1", "manylinux2010", "manylinux2014"),
    "aarch64": ("manylinux2014",),
}


@dataclass(frozen=True, slots=True)
class Platform:
    """A Python and machine, in the terms in which pip chooses wheels.

    Attributes:
        name: e.g. `cp311-linux-x86_64`.
        options: pip's options that select it; none for the interpreter that runs pip.
        provided: the distributions that are there already, by version; names as `canonical`.
        markers: the values of environment markers; none for the interpreter that runs pip.
    """

    name: str
    options: tuple[str, ...] = ()
    provided: Mapping[str, str] = field(default_factory=dict)
    markers: Mapping[str, str] = field(default_factory=dict)


def here() -> Platform:
    """Return the platform of this process, and of services on this machine."""
    behind = distributions_behind(LIBRARIES)
    provided = {canonical(each.name): each.version for each in behind.values()}
    return Platform(platform_here(), provided=provided)


def of_images(architecture: Literal["X86_64", "ARM64"]) -> Platform:
    """Return the platform of the services' images."""
    machine = _MACHINES[architecture]
    version = ".".join(map(str, SERVICES_PYTHON))
    tags = [f"manylinux_{SERVICES_GLIBC[0]}_{minor}_{machine}" for minor in _minors(machine)]
    tags += [f"{name}_{machine}" for name in _OLD_NAMES[machine]]
    options = ["--implementation", "cp", "--python-version", version]
    options += [text for tag in (*tags, f"linux_{machine}") for text in ("--platform", tag)]
    markers = {
        "implementation_name": "cpython",
        "implementation_version": f"{version}.0",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{version}.0",
        "python_version": version,
        "sys_platform": "linux",
    }
    name = platform_name(SERVICES_PYTHON, "linux", machine)
    return Platform(name, tuple(options), _pinned(), markers)


def is_like_here(platform: Platform) -> bool:
    """Return whether markers have the same values for this interpreter."""
    return platform.name == platform_here() and sys.implementation.name == "cpython"


def canonical(name: str) -> str:
    """Return a distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _minors(machine: str) -> range:
    first = 5 if machine == "x86_64" else 17
    return range(SERVICES_GLIBC[1], first - 1, -1)


def _pinned() -> Mapping[str, str]:
    """Return the versions that the images are built with; those of this environment elsewhere."""
    if not _PINS.is_file():
        return here().provided
    text = _PINS.read_text()
    return {canonical(name): version for name, version in _PIN.findall(text)}
