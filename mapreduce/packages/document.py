"""What a job's requirements resolved to: the wheels, by name, version and digest, as one document.

A task names the document by its digest, and the document names every byte that the job can import
from it: so the digest is all of the packages that a result depends on.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys

from pydantic import Field

from mapreduce.wire.messages import Digest, Message, Size


class Wheel(Message):
    """One wheel: the distribution's name and version, its file's name, digest and size."""

    name: str
    version: str
    file: str
    sha256: Digest
    size_bytes: Size


class PackageSet(Message):
    """The packages of a job on one platform.

    Attributes:
        platform: the Python and machine that they are for, e.g. `cp311-linux-x86_64`.
        wheels: the wheels, sorted by name.
        provided: distributions that the packages use and the services have, by version.
        contents: the digest of all unpacked files.
        files: how many.
        unpacked_bytes: their size.
        ignored: files of the wheels that are not unpacked, e.g. `.pth` files.
    """

    platform: str
    wheels: tuple[Wheel, ...]
    provided: dict[str, str] = Field(default={})
    contents: Digest
    files: Size
    unpacked_bytes: Size
    ignored: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """The size of the wheels."""
        return sum(wheel.size_bytes for wheel in self.wheels)


class Lock(Message):
    """What requirements resolved to, kept until a refresh is requested.

    Attributes:
        requirements: the requirements, as the user wrote them.
        platform: as of the set.
        packages: the digest of the set.
        resolved: when, in seconds since the epoch.
    """

    requirements: tuple[str, ...]
    platform: str
    packages: Digest
    resolved: float = Field(ge=0)


def document_of(packages: PackageSet) -> bytes:
    """Return a set as bytes: equal sets give equal bytes."""
    return json.dumps(packages.model_dump(), sort_keys=True, separators=(",", ":")).encode()


def digest_of(packages: PackageSet) -> str:
    """Return the SHA-256 that names a set."""
    return hashlib.sha256(document_of(packages)).hexdigest()


def platform_here() -> str:
    """Return the platform of this process, as in `PackageSet.platform`."""
    return platform_name(sys.version_info[:2], sys.platform, platform.machine())


def platform_name(python: tuple[int, int], system: str, machine: str) -> str:
    """Return the name of a platform; Macs and Linux name the same processor differently."""
    return f"cp{python[0]}{python[1]}-{system}-{machine.lower().replace('aarch64', 'arm64')}"
