"""Loads a job's code into this process, by file or by the digest of its pack."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from itertools import takewhile
from pathlib import Path
from types import ModuleType
from typing import ClassVar, TypeAlias

from mapreduce.chain import Chain
from mapreduce.code.modules import loaded_modules
from mapreduce.code.reserved import is_reserved
from mapreduce.code.unpacking import PACKED_LIMIT, too_large, unpack
from mapreduce.errors import JobLoadError, MapReduceError
from mapreduce.job import Job
from mapreduce.storage import Storage
from mapreduce.user_code.calls import is_authors, user_frames
from mapreduce.wire import keys
from mapreduce.wire.messages import JobSpec

JobClass: TypeAlias = type[Job] | type[Chain]


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

    def load(self, spec: JobSpec) -> Job:
        """Return a new instance of the job.

        Raises:
            CorruptBlock: the pack's digest is not the one asked for.
            JobLoadError: it cannot be imported here.
        """
        return instance(self.fetch(spec), spec)

    def load_any(self, spec: JobSpec) -> Job | Chain:
        """Return a new instance of the job or chain; raises as `load` does."""
        return import_job(self.fetch(spec), spec.module, spec.name, spec.file)(**spec.parameters)

    def fetch(self, spec: JobSpec) -> Path:
        """Return the folder of a job's code, which is downloaded, proven and unpacked where it is not there yet.

        Nothing of it is imported.

        Raises:
            CorruptBlock: the pack's digest is not the one asked for.
            JobLoadError: it is no pack, or has no such module.
        """
        root = self._folder / spec.code
        if not root.is_dir():
            url = keys.code(self._store, spec.code)
            if self._storage.head(url).size > PACKED_LIMIT:
                raise too_large()
            unpack(self._storage.read(url), spec.code, root)
        if not _has_module(root, spec):
            raise JobLoadError(
                f"the job {spec.module} cannot be imported: there is no such module in its code"
            )
        return root


def _has_module(root: Path, spec: JobSpec) -> bool:
    if spec.file:
        return (root / spec.file).is_file()
    base = root.joinpath(*spec.module.split("."))
    return base.with_suffix(".py").is_file() or (base / "__init__.py").is_file()


def instance(root: Path, spec: JobSpec) -> Job:
    """Return a new instance of a job whose code lies in `root`; raises `JobLoadError`."""
    cls = import_job(root, spec.module, spec.name, spec.file)
    if not issubclass(cls, Job):
        raise JobLoadError(f"{spec.name} is a chain; a task carries out one of its steps")
    return cls(**spec.parameters)


def import_job(root: Path, module: str, name: str, file: str = "") -> JobClass:
    """Import the class of a job or chain; modules that it imports are found in `root` first.

    Args:
        root: the folder of its code.
        module: the dotted module.
        name: the class; "" for the only one that there is.
        file: the module's file below `root`, where the module's name does not tell it.

    Raises:
        JobLoadError: with the author's own frames when their code raised.
    """
    _OwnModules.search(root)
    try:
        loaded = _import_file(root / file, module) if file else importlib.import_module(module)
    except BaseException as exc:
        if not isinstance(exc, Exception) and not is_authors(exc):
            raise  # Ctrl-C
        raise _import_failed(exc, file or module, root) from exc
    jobs = classes_of(loaded)
    if name:
        if name not in jobs:
            raise JobLoadError(
                f"{file or module} has no job {name!r}; it has: {', '.join(sorted(jobs)) or 'none'}"
            )
        return jobs[name]
    chains: list[JobClass] = [cls for cls in jobs.values() if issubclass(cls, Chain)]
    candidates = chains or list(jobs.values())  # the jobs beside a chain are its steps
    if len(candidates) != 1:
        several = f"several jobs ({', '.join(sorted(jobs))}); name one: {file or module}:Class"
        raise JobLoadError(f"{file or module} has {several if jobs else 'no subclass of Job'}")
    return candidates[0]


def _import_failed(exc: BaseException, name: str, root: Path) -> JobLoadError:
    """Return what the author is told, with their own frames."""
    ours = isinstance(
        exc, MapReduceError
    )  # a wrong option of a format, say: where we raise it helps no author
    frames = "".join(traceback.format_list(user_frames(exc.__traceback__, without_ours=ours)))
    if isinstance(exc, SystemExit):
        return JobLoadError(
            f"the job {name} called exit({'' if exc.code is None else repr(exc.code)}) when it was imported from "
            f'{root}:\n{frames}put what a script does (argparse, MyJob.run()) below `if __name__ == "__main__":`; '
            "a parameter of a job is an annotated class attribute"
        )
    what = str(exc) if ours else "".join(traceback.format_exception_only(exc)).strip()
    return JobLoadError(f"the job {name} cannot be imported from {root}:\n{frames}{what}")


def classes_of(module: ModuleType) -> dict[str, JobClass]:
    """Return the jobs and chains that a module defines itself, by name."""
    return {
        cls.__name__: cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, Job | Chain) and cls.__module__ == module.__name__
    }


def _import_file(path: Path, module: str) -> ModuleType:
    """Import a file under a module name that is not its own."""
    known = sys.modules.get(module)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    spec = importlib.util.spec_from_file_location(module, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[module] = loaded
    try:
        spec.loader.exec_module(loaded)
    except BaseException:
        del sys.modules[module]
        raise
    return loaded


def modules_loaded() -> tuple[str, ...]:
    """Return the modules that the current job has loaded into this process, as `Modules.names` names them."""
    root = _OwnModules.root
    if root is None:
        return ()
    look = _OwnModules.look
    added = look.added() if look is not None and look.root == root else None
    if look is None or added is None:
        names = list(sys.modules)
        look = _Look(
            root,
            names[-1],
            sys.modules[names[-1]],
            len(names),
            loaded_modules(set(names) - _OwnModules.before[root]),
        )
    elif added:
        found = loaded_modules(set(added) - _OwnModules.before[root])
        look = _Look(
            root,
            added[0],
            sys.modules[added[0]],
            look.count + len(added),
            tuple(sorted({*look.found, *found})),
        )
    _OwnModules.look = look
    return look.found


@dataclass(frozen=True, slots=True)
class _Look:
    """What was found at a look at all loaded modules.

    A process that was forked afterwards looks only at what came later: each name that it touches costs it a copy of
    the page that the name lies in.

    Attributes:
        root: the folder of the job.
        last: the last name in `sys.modules`, which keeps the order of the imports.
        module: what had that name; another one has been imported anew.
        count: how many there were.
        found: the job's modules among them.
    """

    root: Path
    last: str
    module: object
    count: int
    found: tuple[str, ...]

    def added(self) -> list[str] | None:
        """Return the names that have come since, the last one first; None when names are gone."""
        added = list(takewhile(self.last.__ne__, reversed(sys.modules)))
        is_whole = (
            len(sys.modules) == self.count + len(added)
            and sys.modules.get(self.last) is self.module
        )
        return added if is_whole else None


class _OwnModules:
    """Finds a job's modules in the folder of its code, before the module path, but for the reserved names.

    The folder is no entry in front of `sys.path`, because the driver and the workers import some of their own modules
    and libraries late, and would find the job's under those names.
    """

    root: Path | None = None
    found: ClassVar[set[str]] = set()
    """Top-level names that were found in the folder."""
    look: _Look | None = None
    before: ClassVar[dict[Path, frozenset[str]]] = {}
    """The modules that were loaded before the first one of a folder."""

    @classmethod
    def search(cls, root: Path) -> None:
        """Search this folder from now on, and forget what was loaded from another one."""
        if cls not in sys.meta_path:
            sys.meta_path.insert(0, cls)
        importlib.invalidate_caches()
        if cls.root is not None and cls.root != root:
            sys.path[:] = [folder for folder in sys.path if folder != str(cls.root)]
            _forget(cls.found)
            cls.found.clear()
        _forget_others(root)
        cls.root = root
        cls.before.setdefault(root, frozenset(sys.modules))
        # last, for what is looked up by folder: namespace packages, pkgutil
        sys.path[:] = [*(folder for folder in sys.path if folder != str(root)), str(root)]

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a top-level module lies, if it is the job's."""
        if cls.root is None or path is not None or is_reserved(name):
            return None
        spec = PathFinder.find_spec(name, [str(cls.root)], target)
        if spec is None:
            return None
        cls.found.add(name)
        return (
            spec if spec.loader is not None else None
        )  # a folder without code must not hide a package elsewhere


def _forget(tops: Collection[str]) -> None:
    """Take top-level modules, and what is below them, out of this process."""
    for name in list(sys.modules):
        if name.partition(".")[0] in tops:
            del sys.modules[name]


def _forget_others(root: Path) -> None:
    """Take out of this process what the folder provides too but was loaded from elsewhere: it is another job's."""
    ours = {path.stem for path in root.iterdir() if path.suffix == ".py" or path.is_dir()}
    strangers = {
        name
        for name in ours
        if not is_reserved(name)
        and (origin := _origin(sys.modules.get(name)))
        and origin not in (root / f"{name}.py", root / name / "__init__.py", root / name)
    }
    _forget(strangers)


def _origin(module: object) -> Path | None:
    """Return a module's file, or a folder of a package that has none."""
    origin = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
    return Path(origin) if origin else None
