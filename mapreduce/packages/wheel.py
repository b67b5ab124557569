"""Unpack a wheel: plain files, each verified by the wheel's own RECORD, and no script run.

Only what a job can import is unpacked: the files of `purelib` and `platlib`. A `.pth` file would
run code in every later process, so it is left out, and named.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mapreduce.errors import CorruptBlock, JobLoadError
from mapreduce.packages.document import Wheel

UNPACKED_LIMIT = 2 << 30
"""The most bytes of all unpacked packages of a job."""
FILES_LIMIT = 50_000
"""The most files of all packages of a job."""
NAME_LIMIT = 200
_IMPORTED = ("purelib", "platlib")
_HASHES = ("sha256", "sha384", "sha512")
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNSIGNED = ("/RECORD", "/RECORD.jws", "/RECORD.p7s")
_BLOCK_BYTES = 1 << 20
_NO_WHEEL = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, UnicodeError),
    *(ValueError, csv.Error, NotImplementedError, RuntimeError),
)
"""Errors from reading a file that is not a wheel."""


def unpack_wheel(file: Path, wheel: Wheel, folder: Path) -> tuple[str, ...]:
    """Unpack a wheel into a folder that may hold those before it; return the files left out.

    Args:
        file: the wheel.
        wheel: its name and digest.
        folder: where the modules go.

    Raises:
        CorruptBlock: the file does not have the digest.
        JobLoadError: it is no wheel, a file is not as its RECORD says or has a path outside the
            folder, or another wheel has a file of the same name and other content.
    """
    check_digest(file, wheel)
    try:
        with zipfile.ZipFile(file) as archive:
            return tuple(_unpacked(archive, wheel, folder))
    except _NO_WHEEL as exc:
        raise JobLoadError(f"{wheel.file} is not a valid wheel: {exc}") from exc


def check_digest(file: Path, wheel: Wheel) -> None:
    """Check a wheel's length and digest; raises `CorruptBlock`."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if (file.stat().st_size, digest) != (wheel.size_bytes, wheel.sha256):
        raise CorruptBlock(
            f"the package {wheel.file} in the store does not have its digest; upload it again: "
            "run with --refresh-packages"
        )


def _unpacked(archive: zipfile.ZipFile, wheel: Wheel, folder: Path) -> Iterator[str]:
    members = [each for each in archive.infolist() if not each.is_dir()]
    known = _record(archive, members, wheel)
    names = [member.filename for member in members]
    if len(set(names)) != len(names):
        raise JobLoadError(f"{wheel.file} holds a file twice")
    for member in members:
        _check_member(member, wheel)
        target = _target(member.filename)
        if target is None:
            yield f"{wheel.name}: {member.filename}"
            continue
        expected = known.get(member.filename)
        if expected is None and not member.filename.endswith(_UNSIGNED):
            raise JobLoadError(f"{wheel.file} holds {member.filename!r}, which its RECORD lacks")
        _write(archive, member, folder / target, expected, wheel)


def _record(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], wheel: Wheel
) -> dict[str, tuple[str, str]]:
    """Return the hash of each file that the wheel's RECORD names, as (algorithm, digest)."""
    records = [
        member.filename
        for member in members
        if member.filename.count("/") == 1 and member.filename.endswith(".dist-info/RECORD")
    ]
    if len(records) != 1:
        raise JobLoadError(f"{wheel.file} is not a valid wheel: it has {len(records)} RECORD files")
    found: dict[str, tuple[str, str]] = {}
    for row in csv.reader(io.StringIO(archive.read(records[0]).decode())):
        if len(row) < 2 or not row[1]:
            continue
        algorithm, _, digest = row[1].partition("=")
        if algorithm not in _HASHES:
            raise JobLoadError(f"the RECORD of {wheel.file} has a hash by {algorithm!r}")
        found[row[0]] = (algorithm, digest)
    return found


def _check_member(member: zipfile.ZipInfo, wheel: Wheel) -> None:
    """Refuse what is not a plain file below the folder."""
    steps = member.filename.split("/")
    plain = (
        stat.S_IFMT(member.external_attr >> 16) in (0, stat.S_IFREG)
        and member.compress_type in _COMPRESSIONS
        and not {"", ".", ".."} & set(steps)
        and "\\" not in member.filename
        and "\x00" not in member.filename
        and max(map(len, steps)) <= NAME_LIMIT
    )
    if not plain:
        raise JobLoadError(f"{wheel.file} holds {member.filename!r}, which is not a plain file")


def _target(name: str) -> PurePosixPath | None:
    """Return the place of a wheel's file below the folder; None for one that is left out."""
    steps = PurePosixPath(name).parts
    if steps[0].endswith(".data"):
        if len(steps) < 3 or steps[1] not in _IMPORTED:
            return None  # scripts, headers and data are for an environment, not for an import
        steps = steps[2:]
    if len(steps) == 1 and steps[0].endswith(".pth"):
        return None
    return PurePosixPath(*steps)


def _write(
    archive: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    path: Path,
    expected: tuple[str, str] | None,
    wheel: Wheel,
) -> None:
    """Write one file, verified by its hash in RECORD."""
    algorithm, wanted = expected or ("sha256", "")
    digest = hashlib.new(algorithm)
    content = io.BytesIO()
    with archive.open(member) as source:
        while block := source.read(_BLOCK_BYTES):
            digest.update(block)
            content.write(block)
            if content.tell() > UNPACKED_LIMIT:
                raise too_large(wheel.file)
    found = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
    if expected is not None and found != wanted.rstrip("="):
        raise JobLoadError(f"{member.filename!r} of {wheel.file} is not as its RECORD says")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("xb") as target:
            target.write(content.getbuffer())
    except FileExistsError:
        if not path.is_file() or path.read_bytes() != content.getbuffer():
            raise JobLoadError(
                f"{wheel.file} holds {member.filename!r}, and another of the job's packages has "
                "another file of that name; require only one of them"
            ) from None
    if (member.external_attr >> 16) & 0o111:
        path.chmod(0o755)


def too_large(what: str) -> JobLoadError:
    """Return the error for packages over the limits."""
    return JobLoadError(
        f"{what}: the packages of a job may be {UNPACKED_LIMIT >> 20:,} MiB and {FILES_LIMIT:,} "
        "files, unpacked; require less, or build them into the images"
    )
