"""Packages unpacked on this machine, by the digest of their set, within a limit.

A folder is proven by its digest each time that a worker, or the driver, begins with a job: a job
runs as the same user, and could have changed the files for the next one. Processes on one machine
share the folders: one unpacks, and the others wait for it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path

from pydantic import ValidationError

from mapreduce.errors import CorruptBlock, JobLoadError, ObjectMissing
from mapreduce.packages.contents import contents_of
from mapreduce.packages.document import PackageSet, digest_of, platform_here
from mapreduce.packages.wheel import FILES_LIMIT, UNPACKED_LIMIT, too_large, unpack_wheel
from mapreduce.storage import Storage
from mapreduce.wire import keys

CACHE_BYTES = 4 << 30
"""The most bytes of unpacked packages that are kept on a machine; those in use may be more."""
_DOCUMENT_BYTES = 4 << 20
_SPARE_BYTES = 256 << 20
"""Bytes that stay free on the disk, for the tasks' own files."""
_LEFT_S = 3600.0
"""No set takes an hour to unpack."""
_held: dict[Path, int] = {}
"""The folders that this process imports from, with the descriptors that hold them."""


class PackageCache:
    """The unpacked packages below a folder.

    Args:
        storage: where sets and wheels are read.
        store: the store's root URL.
        folder: the local folder.
        limit_bytes: beyond it, the folders that were used longest ago are deleted.
    """

    def __init__(
        self, storage: Storage, store: str, folder: Path, limit_bytes: int = CACHE_BYTES
    ) -> None:
        self._storage = storage
        self._store = store
        self._folder = folder
        self._limit_bytes = limit_bytes

    def fetch(self, digest: str, *, proven: bool = False) -> Path:
        """Return the folder of a set's packages, proven; download and unpack them if need be.

        Args:
            digest: names the set.
            proven: a process that began with this job on this machine has proven the folder.

        Raises:
            CorruptBlock: an object of the set does not have its digest.
            JobLoadError: the packages do not fit this machine or its environment.
        """
        root = self._folder / digest
        if proven and root.is_dir():
            hold(root)
            return root
        packages = self.read(digest)
        check_fits(packages)
        self._folder.mkdir(parents=True, exist_ok=True)
        with _locked(self._folder / f"{digest}.unpacking"):
            hold(root)
            if not root.is_dir() or not _is_proven(root, packages):
                _discard(root)
                self._unpack(packages, root)
                self._trim(root)
        os.utime(root.with_name(f"{digest}.use"))
        return root

    def read(self, digest: str) -> PackageSet:
        """Return a set, proven by its digest.

        Raises:
            CorruptBlock: it is missing, or does not have the digest.
        """
        url = keys.package_set(self._store, digest)
        try:
            if self._storage.head(url).size > _DOCUMENT_BYTES:
                raise _corrupt(digest)
            packages = PackageSet.model_validate_json(self._storage.read(url))
        except (ValidationError, ObjectMissing) as exc:
            raise _corrupt(digest) from exc
        if digest_of(packages) != digest:
            raise _corrupt(digest)
        return packages

    def _unpack(self, packages: PackageSet, root: Path) -> None:
        if packages.unpacked_bytes > UNPACKED_LIMIT or packages.files > FILES_LIMIT:
            raise too_large("the packages of this job")
        self._check_disk(packages)
        staged = Path(tempfile.mkdtemp(prefix="unpack-", dir=self._folder))
        try:
            for wheel in packages.wheels:
                file = staged / "one.whl"
                self._download(keys.wheel(self._store, wheel.sha256), wheel.size_bytes, file)
                unpack_wheel(file, wheel, staged / "all")
                file.unlink()
            (staged / "all").mkdir(exist_ok=True)
            if not _is_proven(staged / "all", packages):
                raise _corrupt(digest_of(packages))
            (staged / "all").rename(root)
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    def _download(self, url: str, size: int, file: Path) -> None:
        if self._storage.head(url).size != size:
            raise CorruptBlock(
                f"{url} has not the length of the package; run with --refresh-packages"
            )
        with file.open("wb") as target:
            for block in self._storage.stream(url, 0, size):
                target.write(block)

    def _check_disk(self, packages: PackageSet) -> None:
        largest = max((wheel.size_bytes for wheel in packages.wheels), default=0)
        needed = packages.unpacked_bytes + largest + _SPARE_BYTES
        free = shutil.disk_usage(self._folder).free
        if needed > free:
            raise JobLoadError(
                f"the packages of this job need {needed >> 20:,} MiB of {self._folder}, and "
                f"{free >> 20:,} MiB are free; require less, or give the tasks a larger disk"
            )

    def _trim(self, used: Path) -> None:
        """Delete the folders used longest ago, beyond the limit, unless a process uses them."""
        for left in self._folder.glob("unpack-*"):  # of a process that was killed
            if left.stat().st_mtime < time.time() - _LEFT_S:
                shutil.rmtree(left, ignore_errors=True)
        found = sorted(
            (path for path in self._folder.glob("*.use") if path.with_suffix("").is_dir()),
            key=lambda path: path.stat().st_mtime,
            reverse=True,
        )
        total = 0
        for path in found:
            root = path.with_suffix("")
            total += _size(root)
            if total > self._limit_bytes and root != used and _is_free(path):
                _discard(root)


def check_fits(packages: PackageSet) -> None:
    """Check that packages are for this process.

    Raises:
        JobLoadError: they are for another platform, or were resolved against other libraries.
    """
    here = platform_here()
    if packages.platform != here:
        raise JobLoadError(
            f"the job's packages are for {packages.platform}, and this process is {here}; "
            "use a machine and a Python of that kind"
        )
    for name, version in sorted(packages.provided.items()):
        with suppress(metadata.PackageNotFoundError):
            found = metadata.version(name)
            if found != version:
                raise JobLoadError(
                    f"the job's packages were resolved with {name} {version}, and this environment "
                    f"has {name} {found}; deploy the images again, or run with --refresh-packages"
                )


def hold(root: Path) -> None:
    """Keep a folder of packages from deletion as long as this process, or a fork of it, lives."""
    if root in _held:
        return
    handle = os.open(root.with_name(f"{root.name}.use"), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_SH)
    _held[root] = handle


def _is_free(path: Path) -> bool:
    handle = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(handle)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _is_proven(root: Path, packages: PackageSet) -> bool:
    try:
        found = contents_of(root)
    except (JobLoadError, OSError):
        return False
    return (found.digest, found.files) == (packages.contents, packages.files)


def _size(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def _discard(root: Path) -> None:
    """Delete a folder; it is renamed first, so that no process finds a part of it."""
    with suppress(FileNotFoundError):
        aside = Path(tempfile.mkdtemp(prefix="gone-", dir=root.parent))
        root.rename(aside / "all")
    for gone in root.parent.glob("gone-*"):
        shutil.rmtree(gone, ignore_errors=True)


def _corrupt(digest: str) -> CorruptBlock:
    return CorruptBlock(
        f"the set of packages {digest[:12]} in the store is damaged or not whole; "
        "upload it again: run with --refresh-packages"
    )
