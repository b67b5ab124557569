"""A job's packages on one platform: as remembered, or as pip resolves its requirements now.

What pip has found is kept in a folder of the user, which has the layout of a store. From there the
packages of a run go to the run's store, where its tasks read them.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from pydantic import ValidationError

from driver.packages.pip import downloaded, metadata_of
from driver.packages.platforms import Platform, canonical
from mapreduce.code.modules import distributions_of
from mapreduce.code.reserved import LIBRARIES, PROGRAM
from mapreduce.errors import DataError, InputError, JobLoadError, ObjectExists, ObjectMissing
from mapreduce.packages import Lock, PackageCache, PackageSet, Wheel, digest_of
from mapreduce.packages.contents import contents_of
from mapreduce.packages.document import document_of
from mapreduce.packages.search import top_levels
from mapreduce.packages.wheel import FILES_LIMIT, UNPACKED_LIMIT, check_digest, unpack_wheel
from mapreduce.storage import Storage
from mapreduce.wire import keys

_FILE_URL = re.compile(r"file://(?:localhost)?(/[^#?\s]+)")
_INCLUDE = re.compile(r"^\s*(?:-r|--requirement|-c|--constraint)[\s=]+(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a job requires: the texts in its classes, and a file of the user."""

    texts: tuple[str, ...]
    file: Path | None = None

    def __bool__(self) -> bool:
        return bool(self.texts) or self.file is not None

    def lines(self) -> tuple[str, ...]:
        """Return all that is required, with the content of the file and of those it includes, and
        the digests of the files that are named: a wheel may be built again under its name.

        Raises:
            InputError: a file cannot be read.
        """
        lines = (*self.texts, *(_content(self.file, frozenset()) if self.file else ()))
        return (*lines, *_files_named(lines))


@dataclass(frozen=True, slots=True)
class Resolved:
    """The packages of a job on one platform.

    Attributes:
        packages: the wheels.
        digest: names them.
        lock: what they were resolved from, and when.
        key: names the lock.
        remembered: pip was not called.
    """

    packages: PackageSet
    digest: str
    lock: Lock
    key: str
    remembered: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A store that may hold packages."""

    storage: Storage
    store: str

    def found(self, key: str) -> tuple[Lock, PackageSet] | None:
        """Return what is remembered under a key; None where it, or a wheel, is missing."""
        try:
            lock = Lock.model_validate_json(self.storage.read(keys.package_lock(self.store, key)))
            packages = PackageCache(self.storage, self.store, Path()).read(lock.packages)
            if all(self.has(wheel) for wheel in packages.wheels):
                return lock, packages
        except (ObjectMissing, ValidationError, DataError):
            pass
        return None

    def has(self, wheel: Wheel) -> bool:
        """Return whether a wheel is there, with its length."""
        try:
            found = self.storage.head(keys.wheel(self.store, wheel.sha256))
        except ObjectMissing:
            return False
        return found.size == wheel.size_bytes


def resolved(
    required: Requirements,
    platform: Platform,
    places: Sequence[Place],
    *,
    refresh: bool = False,
    like: Mapping[str, str] | None = None,
) -> Resolved:
    """Return a job's packages on a platform; those that pip finds are put into the last place.

    Args:
        required: the requirements.
        platform: where they are imported.
        places: where they may be remembered, the first first.
        refresh: resolve them anew.
        like: versions to choose where that is possible, by name.

    Raises:
        JobLoadError: pip finds no such wheels, or the wheels cannot be used.
    """
    lines = required.lines()
    key = _key(lines, platform)
    for place in places if not refresh else ():
        if found := place.found(key):
            lock, packages = found
            return Resolved(packages, lock.packages, lock, key, remembered=True)
    target = places[-1]
    with tempfile.TemporaryDirectory(prefix="mapreduce-packages-") as scratch:
        files = _files(required, platform, like or {}, Path(scratch))
        packages = _checked(files, platform, Path(scratch) / "all")
        by_name = {file.name: file for file in files}
        for wheel in packages.wheels:
            url = keys.wheel(target.store, wheel.sha256)
            target.storage.write(url, by_name[wheel.file], move=True)
    lock = Lock(
        requirements=lines,
        platform=platform.name,
        packages=digest_of(packages),
        resolved=time.time(),
    )
    made = Resolved(packages, lock.packages, lock, key)
    _write_documents(made, target, anew=True)
    return made


def keep(made: Resolved, source: Place, target: Place, *, anew: bool = False) -> None:
    """Put packages into a store, each wheel once; with `anew`, also what seems to be there."""
    for wheel in made.packages.wheels:
        if target.has(wheel) and not anew:
            continue
        path = Path(keys.wheel(source.store, wheel.sha256).removeprefix("file://"))
        if path.is_file():
            check_digest(path, wheel)
            target.storage.write(keys.wheel(target.store, wheel.sha256), path)
    _write_documents(made, target, anew=anew)


def fetch_all(made: Resolved, source: Place, target: Place) -> None:
    """Put packages that only a store holds into the user's folder."""
    for wheel in made.packages.wheels:
        if not target.has(wheel):
            url = keys.wheel(source.store, wheel.sha256)
            data = source.storage.read(url)
            target.storage.write(keys.wheel(target.store, wheel.sha256), data)
    _write_documents(made, target, anew=False)


def _write_documents(made: Resolved, place: Place, *, anew: bool) -> None:
    documents = {
        keys.package_set(place.store, made.digest): document_of(made.packages),
        keys.package_lock(place.store, made.key): made.lock.model_dump_json().encode(),
    }
    for url, data in documents.items():
        if anew:
            place.storage.write(url, data)
            continue
        try:
            place.storage.create(url, data)
        except ObjectExists:
            continue  # another driver was first; a damaged one is refused where it is read


def _files(
    required: Requirements, platform: Platform, like: Mapping[str, str], scratch: Path
) -> list[Path]:
    """Return the wheels that pip chooses, in the versions of another platform where it can."""
    pins = [f"{name}=={version}" for name, version in sorted(platform.provided.items())]
    alike = [
        f"{name}=={each}" for name, each in sorted(like.items()) if name not in platform.provided
    ]
    for number, chosen in enumerate([[*pins, *alike], pins] if alike else [pins]):
        folder = scratch / f"wheels-{number}"
        folder.mkdir()
        try:
            return downloaded(required.texts, required.file, platform, chosen, folder)
        except JobLoadError:
            if chosen == pins:
                raise
    raise AssertionError("the last attempt returns or raises")


def _checked(files: Sequence[Path], platform: Platform, folder: Path) -> PackageSet:
    """Unpack wheels once, and return their set.

    Raises:
        JobLoadError: they are too large, or hold modules of a reserved name.
    """
    folder.mkdir()
    wheels, provided, ignored = list[Wheel](), dict[str, str](), list[str]()
    for file in files:
        name, version, _ = metadata_of(file)
        if canonical(name) in platform.provided:
            provided[canonical(name)] = version
            continue
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        size = file.stat().st_size
        wheel = Wheel(name=name, version=version, file=file.name, sha256=digest, size_bytes=size)
        ignored += unpack_wheel(file, wheel, folder)
        _check_modules(folder, wheel, platform)
        wheels.append(wheel)
    contents = contents_of(folder)
    if contents.size_bytes > UNPACKED_LIMIT or contents.files > FILES_LIMIT:
        largest = ", ".join(
            f"{each.name} {each.size_bytes >> 20:,} MiB"
            for each in sorted(wheels, key=lambda each: -each.size_bytes)[:3]
        )
        raise JobLoadError(
            f"the packages of the job are {contents.files:,} files of "
            f"{contents.size_bytes >> 20:,} MiB unpacked, and {FILES_LIMIT:,} files of "
            f"{UNPACKED_LIMIT >> 20:,} MiB are the limit; the largest wheels: {largest}"
        )
    shutil.rmtree(folder)
    return PackageSet(
        platform=platform.name,
        wheels=tuple(sorted(wheels, key=lambda each: (each.name, each.file))),
        provided=provided,
        contents=contents.digest,
        files=contents.files,
        unpacked_bytes=contents.size_bytes,
        ignored=tuple(ignored),
    )


def _check_modules(folder: Path, wheel: Wheel, platform: Platform) -> None:
    """Refuse modules that would take the place of Python's, this program's or its libraries'."""
    for top in sorted(top_levels(folder)):
        if top in PROGRAM or top == "mapreduce_jobs":
            what = "this program"
        elif top in sys.stdlib_module_names:
            what = "Python"
        elif top in LIBRARIES and (folder / top / "__init__.py").is_file() and _has(platform, top):
            what = "a library that runs the job"
        else:
            continue
        raise JobLoadError(
            f"{wheel.name} {wheel.version} holds a module `{top}`, a name that belongs to {what}; "
            "require another package"
        )


def _has(platform: Platform, top: str) -> bool:
    return any(canonical(each.name) in platform.provided for each in distributions_of(top))


def _key(lines: Sequence[str], platform: Platform) -> str:
    """Return the name of what requirements were resolved to on a platform."""
    parts = [lines, platform.name, platform.options, sorted(platform.provided.items())]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _files_named(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        name = line.partition(";")[0].strip()
        url = _FILE_URL.search(name)
        path = Path(unquote(url[1]) if url else name)
        with suppress(OSError):
            if path.is_file():
                with path.open("rb") as stream:
                    yield f"{path.name} sha256={hashlib.file_digest(stream, 'sha256').hexdigest()}"


def _content(file: Path, seen: frozenset[Path]) -> tuple[str, ...]:
    """Return the lines of a requirements file and of the files that it includes."""
    path = file.resolve()
    if path in seen:
        return ()
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as exc:
        raise InputError(f"--requirements {file}: cannot be read: {exc.strerror}") from exc
    lines = [line.strip() for line in text.splitlines()]
    kept = [line for line in lines if line and not line.startswith("#")]
    included = [path.parent / name for name in _INCLUDE.findall(text) if "://" not in name]
    return (*kept, *(line for each in included for line in _content(each, seen | {path})))
