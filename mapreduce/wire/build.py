"""The build: engine, libraries, Python and hash seed of a process, as one frozen value.

Driver and services compare it, and every task's key contains it: a result of another build is never
reused.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel, ConfigDict

FOLDER = Path(__file__).parents[1]
SOURCE_SUFFIXES = frozenset((".py", ".c", ".h"))
LIBRARIES = (
    "backports-zstd",
    "duckdb",
    "msgspec",
    "nanoarrow",
    "obstore",
    "pydantic",
    "regex",
    "xxhash",
)
"""The distributions on which the engine's answers depend."""
HASH_SEED = "0"
"""PYTHONHASHSEED of all processes that run a job's code: equal hashes, equal order of sets."""


class Build(BaseModel):
    """The build of a process.

    Attributes:
        engine: digest of the package's sources and of the versions of its libraries.
        python: implementation and version of the interpreter, e.g. `cpython-3.11.7`.
        hashing: identifies the hash seed: equal in all processes with one seed.
        environment: digest of the installed distributions' names and versions.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    engine: str
    python: str
    hashing: str = ""
    environment: str = ""


@cache
def this_build() -> Build:
    """Return the build of this process."""
    return Build(
        engine=_digest([*_sources(), *(f"{name} {_version(name)}".encode() for name in LIBRARIES)]),
        python=f"{sys.implementation.name}-{platform.python_version()}",
        hashing=f"{hash('mapreduce') & 0xFFFFFFFF:08x}",
        environment=_digest([name.encode() for name in _distributions()]),
    )


def _sources() -> list[bytes]:
    """Return each source file's name and content, in the order of the names."""
    files = sorted(path for path in FOLDER.rglob("*") if path.suffix in SOURCE_SUFFIXES)
    return [
        part
        for path in files
        for part in (path.relative_to(FOLDER).as_posix().encode(), path.read_bytes())
    ]


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "none"


def _distributions() -> list[str]:
    """Return `name-version.dist-info` of everything that is installed on the module path."""
    # names of folders, not importlib.metadata: it would open every package's metadata at each start
    folders = (Path(folder) for folder in dict.fromkeys(sys.path) if folder)
    return sorted(
        {each.name for folder in folders if folder.is_dir() for each in folder.glob("*.dist-info")}
    )


def _digest(parts: list[bytes]) -> str:
    """Return the SHA-256 of byte strings, each with its length in front, cut to 128 bits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()[:32]
