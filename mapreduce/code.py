"""Finds a job's class, packs its code, and loads it elsewhere by digest.

A pack is a zip of source files, always the same bytes for the same sources, stored under its SHA-256. It holds the
job's module, the packages above it, and what it imports from beside itself. Nothing is pickled.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import io
import shutil
import stat
import struct
import sys
import tempfile
import traceback
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

from mapreduce import keys
from mapreduce.chain import Chain
from mapreduce.engine.user_code import user_frames
from mapreduce.errors import CorruptBlock, JobLoadError
from mapreduce.job import Job
from mapreduce.messages import JobSpec
from mapreduce.storage import Storage

JobClass: TypeAlias = type[Job] | type[Chain]

_EPOCH = (1980, 1, 1, 0, 0, 0)
_NEVER_A_JOBS = sys.stdlib_module_names | {"mapreduce", "services", "driver", "__main__"}
"""Modules that stay when a job has one of the same name beside it: this process runs on them."""

READY_MADE = "jobs"
"""The package of ready-made jobs: a job that imports one of them takes it along."""

PACK_LIMIT = 64 << 20
"""Bytes of sources in a pack, at most, packed or not."""
MEMBER_LIMIT = 10_000
"""Files in a pack, at most."""
NAME_LIMIT = 200
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_PACKED_LIMIT = PACK_LIMIT + (8 << 20)
"""What such a pack can be: incompressible files grow a little, and each has its name in it twice."""
_BLOCK_BYTES = 1 << 20
_NO_PACK = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError),
    *(FileExistsError, NotADirectoryError, IsADirectoryError),
)
"""What reading a zip raises that is none, or is one of a kind that we do not make."""


@dataclass(frozen=True, slots=True)
class JobSource:
    """Where a job's code lies: the folder that goes on the module path, the dotted module, and the class.

    `files` are what the module's jobs want to have beside them.
    """

    root: Path
    module: str
    name: str
    files: tuple[Path, ...] = ()


def find_job(text: str) -> tuple[JobSource, JobClass]:
    """The job or chain that `MODULE_OR_FILE[:Class]` means.

    Raises:
        JobLoadError: there is no such file, module or class; it cannot be imported; or it is no job.
    """
    target, _, name = text.partition(":")
    path = _path_of(target)
    root, module = _root_and_module(path)
    cls = import_job(root, module, name)
    cls.check()
    wanted = {name for each in _classes(sys.modules[cls.__module__]).values() for name in each.files}
    return JobSource(root, module, cls.__name__, tuple(_side_files(path.parent, sorted(wanted)))), cls


def pack(source: JobSource) -> tuple[str, bytes]:
    """A job's code as (SHA-256 of the pack, the pack)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        members = _sources(source) | {path.relative_to(source.root).as_posix(): path for path in source.files}
        size = sum(path.stat().st_size for path in members.values())
        if size > PACK_LIMIT or len(members) > MEMBER_LIMIT:
            raise JobLoadError(
                f"the code and files of {source.name} are {len(members)} files of {size >> 20} MiB; at most "
                f"{MEMBER_LIMIT} files of {PACK_LIMIT >> 20} MiB travel with a job: give large data as an input"
            )
        for name, path in sorted(members.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    data = buffer.getvalue()
    return hashlib.sha256(data).hexdigest(), data


class CodeLoader:
    """Loads jobs by digest into this process; one pack's modules are in it at a time.

    Args:
        storage: where packs are read.
        store: the store's root URL.
        folder: a local folder for unpacked code.
    """

    def __init__(self, storage: Storage, store: str, folder: Path) -> None:
        self._storage = storage
        self._store = store
        self._folder = folder
        self._loaded: Path | None = None

    def load(self, spec: JobSpec) -> Job:
        """A new instance of the job.

        Raises:
            CorruptBlock: the pack's digest is not the one asked for.
            JobLoadError: it cannot be imported here.
        """
        return instance(self._unpacked(spec), spec)

    def fetch(self, spec: JobSpec) -> Path:
        """Download, prove and unpack a job's code where that is not done yet; import nothing.

        Returns:
            The folder that goes on the module path.

        Raises:
            CorruptBlock: the pack's digest is not the one asked for.
            JobLoadError: it is no pack of ours, or the module is not in it.
        """
        return self._unpacked(spec)

    def load_any(self, spec: JobSpec) -> Job | Chain:
        """A new instance of the job or chain; raises as `load` does."""
        return import_job(self._unpacked(spec), spec.module, spec.name)(**spec.parameters)

    def _unpacked(self, spec: JobSpec) -> Path:
        root = self._folder / spec.code
        if self._loaded != root:
            if not root.is_dir():
                url = keys.code(self._store, spec.code)
                if self._storage.head(url).size > _PACKED_LIMIT:
                    raise _too_large()
                unpack(self._storage.read(url), spec.code, root)
            if self._loaded is not None:
                _forget(self._loaded)
            self._loaded = root
        base = root.joinpath(*spec.module.split("."))
        if not base.with_suffix(".py").is_file() and not (base / "__init__.py").is_file():
            raise JobLoadError(f"the job {spec.module} cannot be imported: there is no such module in its code")
        return root


def unpack(data: bytes, digest: str, root: Path) -> None:
    """Unpacks a pack whose digest is proven; its members must be plain relative files, within `PACK_LIMIT` bytes.

    Raises:
        CorruptBlock: the digest is another.
        JobLoadError: there is something else in it; nothing of it is left then.
    """
    if hashlib.sha256(data).hexdigest() != digest:
        raise CorruptBlock(f"the code under jobs/{digest} is not the code of that digest; upload it again with --fresh")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_members(members)
            root.parent.mkdir(parents=True, exist_ok=True)
            staged = Path(tempfile.mkdtemp(prefix="unpack-", dir=root.parent))
            try:
                _write_members(archive, members, staged)
            except BaseException:
                shutil.rmtree(staged)
                raise
    except _NO_PACK as exc:
        raise JobLoadError(f"the code under jobs/{digest} is no pack of ours: {exc}") from exc
    try:
        staged.rename(root)
    except OSError:
        if not root.is_dir():
            raise
        shutil.rmtree(staged)  # another worker has unpacked the same bytes meanwhile


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    """Holds a pack's table of contents to the rules, before anything is written."""
    if len(members) > MEMBER_LIMIT:
        raise JobLoadError(f"the code of this job is more than {MEMBER_LIMIT} files")
    if sum(member.file_size for member in members) > PACK_LIMIT:
        raise _too_large()
    names: set[str] = set()
    for member in members:
        steps = member.filename.split("/")
        plain = stat.S_IFMT(member.external_attr >> 16) in (0, stat.S_IFREG) and member.compress_type in _COMPRESSIONS
        if not plain or {"", ".", ".."} & set(steps) or "\\" in member.filename or max(map(len, steps)) > NAME_LIMIT:
            raise JobLoadError(f"the code of this job holds {member.filename!r}, which is not a plain file inside it")
        if member.filename in names:
            raise JobLoadError(f"the code of this job holds {member.filename!r} twice")
        names.add(member.filename)


def _write_members(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], folder: Path) -> None:
    """Writes a pack's files; counts what comes out, whatever the table of contents says."""
    left = PACK_LIMIT
    for member in members:
        path = folder / member.filename
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, path.open("xb") as target:
            while block := source.read(_BLOCK_BYTES):
                left -= len(block)
                if left < 0:
                    raise _too_large()
                target.write(block)


def _too_large() -> JobLoadError:
    return JobLoadError(f"the code of this job is larger than {PACK_LIMIT >> 20} MiB")


def instance(root: Path, spec: JobSpec) -> Job:
    """A new instance of a job whose code lies in `root`; raises `JobLoadError`."""
    cls = import_job(root, spec.module, spec.name)
    if not issubclass(cls, Job):
        raise JobLoadError(f"{spec.name} is a chain; a task carries out one of its steps")
    return cls(**spec.parameters)


def import_job(root: Path, module: str, name: str) -> JobClass:
    """Imports the class of a job or chain with `root` on the module path.

    Raises:
        JobLoadError: with the author's own frames when their code raised.
    """
    sys.path[:] = [str(root), *(folder for folder in sys.path if folder != str(root))]
    importlib.invalidate_caches()
    _forget_others(root)
    try:
        loaded = importlib.import_module(module)
    except Exception as exc:
        frames = "".join(traceback.format_list(user_frames(exc.__traceback__)))
        what = "".join(traceback.format_exception_only(exc)).strip()
        raise JobLoadError(f"the job {module} cannot be imported from {root}:\n{frames}{what}") from exc
    jobs = _classes(loaded)
    if name:
        if name not in jobs:
            raise JobLoadError(f"{module} has no job {name!r}; it has: {', '.join(sorted(jobs)) or 'none'}")
        return jobs[name]
    chains: list[JobClass] = [cls for cls in jobs.values() if issubclass(cls, Chain)]
    candidates = chains or list(jobs.values())  # the jobs beside a chain are its steps
    if len(candidates) != 1:
        has = f"several jobs ({', '.join(sorted(jobs))}); name one: {module}:Class" if jobs else "no subclass of Job"
        raise JobLoadError(f"{module} has {has}")
    return candidates[0]


def _classes(module: ModuleType) -> dict[str, JobClass]:
    """The jobs and chains that a module defines itself, by name."""
    return {
        cls.__name__: cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, Job | Chain) and cls.__module__ == module.__name__
    }


def _side_files(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    """The files that the names mean, which must lie in the folder or below it."""
    for name in names:
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise JobLoadError(f"`files` holds {name!r}, which is not beside the job's own file; copy it there")
        found = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
        if not found:
            raise JobLoadError(f"`files` holds {name!r}, but there is no such file in {folder}")
        yield from found


def _path_of(target: str) -> Path:
    path = Path(target)
    if target.endswith(".py") or "/" in target:
        if not path.is_file():
            raise JobLoadError(f"there is no job file {target}; give a .py file or a module such as jobs.word_count")
        return path.resolve()
    try:
        spec = importlib.util.find_spec(target)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise JobLoadError(f"there is no job module {target!r}; give a .py file or a module such as jobs.word_count")
    return Path(spec.origin).resolve()


def _root_and_module(path: Path) -> tuple[Path, str]:
    """The first folder above the file that is no package, and the file's dotted name below it."""
    root = path.parent
    while (root / "__init__.py").is_file():
        root = root.parent
    parts = path.relative_to(root).with_suffix("").parts
    if parts[0] in sys.stdlib_module_names:
        raise JobLoadError(f"{path.name} has the name of a module of Python's standard library; give it another")
    if not all(part.isidentifier() for part in parts):
        raise JobLoadError(f"{path.name} is no Python module name; rename it with letters, digits and underscores")
    return root, ".".join(parts)


def _sources(source: JobSource) -> dict[str, Path]:
    """The job's module and all that it imports, directly or not, from below its root or from the ready-made jobs.

    Returns:
        Files by their names in the pack.
    """
    roots = [source.root, *_ready_made()]
    found: dict[str, Path] = {}
    waiting = [source.module]
    while waiting:
        module = waiting.pop()
        for root, path in _files_of(roots, module):
            name = path.relative_to(root).as_posix()
            if name not in found:
                found[name] = path
                waiting += _imports(path, root)
    return found


def _ready_made() -> Iterator[Path]:
    """The folder of the package `jobs`, which the services do not have; another one of that name is left alone."""
    spec = importlib.util.find_spec(READY_MADE)
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).resolve().parent
        if (folder / "word_count.py").is_file():
            yield folder.parent


def _files_of(roots: Iterable[Path], module: str) -> Iterator[tuple[Path, Path]]:
    """A module's file and the packages above it, each with the root that it lies below."""
    parts = module.split(".")
    for root in roots:
        if root != next(iter(roots)) and parts[0] != READY_MADE:
            continue
        for depth in range(1, len(parts) + 1):
            base = root.joinpath(*parts[:depth])
            if (base / "__init__.py").is_file():
                yield root, base / "__init__.py"
            elif base.with_suffix(".py").is_file():
                yield root, base.with_suffix(".py")


def _imports(path: Path, root: Path) -> Iterator[str]:
    """The dotted names that a file imports; our own package is in every image already."""
    package = path.relative_to(root).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name and name.split(".")[0] != "mapreduce")


def _forget(root: Path) -> None:
    """Takes a pack's modules out of this process, so that another's of the same name can be imported."""
    sys.path[:] = [folder for folder in sys.path if folder != str(root)]
    for name, module in list(sys.modules.items()):
        if (origin := _origin(module)) and origin.is_relative_to(root):
            del sys.modules[name]


def _forget_others(root: Path) -> None:
    """Takes out of this process what the root has too but was imported from another folder: it is another job's."""
    ours = {path.stem for path in root.iterdir() if path.suffix == ".py" or path.is_dir()} - _NEVER_A_JOBS
    strangers = {
        name
        for name in ours
        if (origin := _origin(sys.modules.get(name)))
        and origin not in (root / f"{name}.py", root / name / "__init__.py", root / name)
    }
    for name in list(sys.modules):
        if name.partition(".")[0] in strangers:
            del sys.modules[name]


def _origin(module: object) -> Path | None:
    """A module's file, or a folder of a package that has none."""
    origin = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
    return Path(origin) if origin else None
