"""Pack a job's code into a zip: equal sources give equal bytes. Never pickles."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

from mapreduce.code.find import JobSource
from mapreduce.code.modules import Modules
from mapreduce.code.unpacking import MEMBER_LIMIT, PACK_LIMIT
from mapreduce.errors import JobLoadError

_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack(source: JobSource, modules: Modules | None = None) -> tuple[str, bytes]:
    """Return a job's code as (SHA-256 of the pack, the pack).

    Args:
        source: the job.
        modules: the modules that it depends on, if the caller knows them.

    Raises:
        JobLoadError: it is too large, or imports a module of a reserved name.
    """
    members = members_of(source, modules or source.modules())
    size = sum(path.stat().st_size for path in members.values())
    if size > PACK_LIMIT or len(members) > MEMBER_LIMIT:
        raise JobLoadError(
            f"the code and files of {source.name} are {len(members)} files of {size >> 20} MiB; at "
            f"most {MEMBER_LIMIT} files of {PACK_LIMIT >> 20} MiB travel with a job: give large "
            "data as an input"
        )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(members.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    data = buffer.getvalue()
    return hashlib.sha256(data).hexdigest(), data


def members_of(source: JobSource, modules: Modules) -> dict[str, Path]:
    """Return the files of a pack by their names in it: the modules and the jobs' side files."""
    return modules.files | {path.relative_to(source.root).as_posix(): path for path in source.files}
