"""Tiny wheels, made on the spot, and folders of them that pip takes for an index."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from mapreduce.packages import PackageSet, Wheel, digest_of, platform_here
from mapreduce.packages.contents import contents_of
from mapreduce.packages.document import document_of
from mapreduce.packages.wheel import unpack_wheel
from mapreduce.storage import open_storage
from mapreduce.wire import keys


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    files: Mapping[str, str] | None = None,
    *,
    requires: Sequence[str] = (),
    tag: str = "py3-none-any",
    record: Mapping[str, str] | None = None,
) -> Path:
    """Make a wheel of a distribution, whose module of that name has a `VERSION`; return the file.

    Args:
        folder: where it is written.
        name: the distribution.
        version: its version.
        files: its files, in place of one module.
        requires: its requirements.
        tag: its platform.
        record: lines of RECORD, by file, in place of the right ones; "" for none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    held = dict(files) if files is not None else {f"{name}.py": f'VERSION = "{version}"\n'}
    required = "".join(f"Requires-Dist: {each}\n" for each in requires)
    held[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}"
    )
    held[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
    lines = {each: _line(each, content) for each, content in held.items()} | dict(record or {})
    held[f"{info}/RECORD"] = "".join(f"{each}\n" for each in lines.values() if each)
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each, content in held.items():
            archive.writestr(zipfile.ZipInfo(each, (2026, 1, 1, 0, 0, 0)), content)
    return path


def wheel_of(path: Path) -> Wheel:
    """Return the description of a wheel's file."""
    name, version, *_ = path.name.split("-")
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return Wheel(name=name, version=version, file=path.name, sha256=digest, size_bytes=len(data))


def stored_set(store: str, scratch: Path, *paths: Path, **changes: object) -> str:
    """Write a set of these wheels to a store, and return its digest."""
    storage, unpacked = open_storage(), scratch / f"contents-of-{len(list(scratch.glob('c*')))}"
    unpacked.mkdir(parents=True)
    wheels = tuple(wheel_of(path) for path in paths)
    for path, wheel in zip(paths, wheels, strict=True):
        unpack_wheel(path, wheel, unpacked)
        storage.write(keys.wheel(store, wheel.sha256), path.read_bytes())
    found = contents_of(unpacked)
    packages = PackageSet(
        platform=platform_here(),
        wheels=wheels,
        contents=found.digest,
        files=found.files,
        unpacked_bytes=found.size_bytes,
    ).model_copy(update=changes)
    digest = digest_of(packages)
    storage.write(keys.package_set(store, digest), document_of(packages))
    return digest


def _line(name: str, content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"{name},sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()},{len(content)}"
