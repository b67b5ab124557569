"""The digest of an unpacked folder of packages, with which it is proven before each use."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mapreduce.errors import JobLoadError

_BYTE_CODE = "__pycache__"


@dataclass(frozen=True, slots=True)
class Contents:
    """The files of a folder: one digest of all names and bytes, how many, and their size."""

    digest: str
    files: int
    size_bytes: int


def contents_of(folder: Path) -> Contents:
    """Return the contents of a folder.

    Raises:
        JobLoadError: it holds something else than files and folders.
    """
    digest, files, size = hashlib.sha256(), 0, 0
    for name, path in sorted(_files(folder)):
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").digest()
        encoded = name.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded + found)
        files += 1
        size += path.stat().st_size
    return Contents(digest.hexdigest(), files, size)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for at, folders, names in os.walk(folder, onerror=_fail):
        links = [name for name in folders if (Path(at) / name).is_symlink()]
        for name in (*links, *names):
            path = Path(at) / name
            if not stat.S_ISREG(path.lstat().st_mode) or _BYTE_CODE in path.parts:
                raise JobLoadError(f"{path} is not a file that a wheel of the job holds")
            yield path.relative_to(folder).as_posix(), path


def _fail(exc: OSError) -> None:
    raise exc
