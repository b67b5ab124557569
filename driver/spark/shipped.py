"""The part of this program that executors run: an archive for machines that do not have it.

Spark unpacks it where an executor works. Files in a folder can be compiled once for all processes,
and hold the native extension, which Python cannot import from an archive.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import mapreduce

FOLDER = "mapreduce-engine"
"""The folder in which Spark unpacks the archive, in the folder where an executor works."""
_OF_DRIVER = ("__init__.py", "spark/__init__.py", "spark/executor.py", "spark/external_shuffle.py")
# an extension names its Python and platform, and another one leaves it alone; the sources prove
# that it was built of them
_OF_NATIVE = ("*.so", "*.c", "*.h")


def root() -> Path:
    """Return the folder of our packages."""
    return Path(mapreduce.__file__).resolve().parent.parent


def packed(folder: Path) -> Path:
    """Write the archive into a folder; return its path."""
    path = folder / f"{FOLDER}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for source in _files():
            archive.write(source, source.relative_to(root()).as_posix())
    return path


def _files() -> Iterator[Path]:
    engine = root() / "mapreduce"
    yield from sorted(engine.rglob("*.py"))
    for pattern in _OF_NATIVE:
        yield from sorted((engine / "native").glob(pattern))
    yield from (root() / "driver" / name for name in _OF_DRIVER)
