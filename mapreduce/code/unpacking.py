"""Unpack a job's code: a zip of plain files, verified by its digest, within limits."""

from __future__ import annotations

import hashlib
import io
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path

from mapreduce.errors import CorruptBlock, JobLoadError

PACK_LIMIT = 64 << 20
"""The most bytes of sources in a pack."""
MEMBER_LIMIT = 10_000
"""The most files in a pack."""
NAME_LIMIT = 200
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
PACKED_LIMIT = PACK_LIMIT + (8 << 20)
"""The largest such pack: incompressible files grow a little, and each name is stored twice."""
_BLOCK_BYTES = 1 << 20
_NO_PACK = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError),
    *(FileExistsError, NotADirectoryError, IsADirectoryError),
)
"""Errors from reading a file that is not a zip, or a kind of zip that we do not write."""


def unpack(data: bytes, digest: str, root: Path) -> None:
    """Unpack a pack after its digest is verified; members must be plain relative files within the
    limits.

    Raises:
        CorruptBlock: the pack does not have the digest.
        JobLoadError: it contains something else; nothing of it is kept.
    """
    if hashlib.sha256(data).hexdigest() != digest:
        raise CorruptBlock(
            f"the code under jobs/{digest} does not have that digest; upload it again with --fresh"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_members(members)
            root.parent.mkdir(parents=True, exist_ok=True)
            # unpack beside the target and rename: other workers see the whole folder or none
            staged = Path(tempfile.mkdtemp(prefix="unpack-", dir=root.parent))
            try:
                _write_members(archive, members, staged)
            except BaseException:
                shutil.rmtree(staged)
                raise
    except _NO_PACK as exc:
        raise JobLoadError(f"the code under jobs/{digest} is not a valid pack: {exc}") from exc
    try:
        staged.rename(root)
    except OSError:
        if not root.is_dir():
            raise
        shutil.rmtree(staged)  # another worker has unpacked the same bytes in the meantime


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    """Check a pack's table of contents before anything is written."""
    if len(members) > MEMBER_LIMIT:
        raise JobLoadError(f"the code of this job is more than {MEMBER_LIMIT} files")
    if sum(member.file_size for member in members) > PACK_LIMIT:
        raise too_large()
    names: set[str] = set()
    for member in members:
        steps = member.filename.split("/")
        plain = (
            stat.S_IFMT(member.external_attr >> 16) in (0, stat.S_IFREG)
            and member.compress_type in _COMPRESSIONS
        )
        if (
            not plain
            or {"", ".", ".."} & set(steps)
            or "\\" in member.filename
            or max(map(len, steps)) > NAME_LIMIT
        ):
            raise JobLoadError(
                f"the code of this job holds {member.filename!r}, which is not a plain file"
            )
        if member.filename in names:
            raise JobLoadError(f"the code of this job holds {member.filename!r} twice")
        names.add(member.filename)


def _write_members(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], folder: Path) -> None:
    """Write a pack's files; count the bytes written, because the table of contents may be wrong."""
    left = PACK_LIMIT
    for member in members:
        path = folder / member.filename
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, path.open("xb") as target:
            while block := source.read(_BLOCK_BYTES):
                left -= len(block)
                if left < 0:
                    raise too_large()
                target.write(block)


def too_large() -> JobLoadError:
    """Return the error for code over the limit."""
    return JobLoadError(f"the code of this job is larger than {PACK_LIMIT >> 20} MiB")
