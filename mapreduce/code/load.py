"""Load a job's code into this process, from a file or by the digest of its pack."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_file_location
from itertools import takewhile
from pathlib import Path
from types import ModuleType
from typing import ClassVar, TypeAlias

from mapreduce.chain import Chain, Reduce
from mapreduce.code.from_source import from_source
from mapreduce.code.modules import files_of, loaded_modules
from mapreduce.code.reserved import is_reserved
from mapreduce.code.unpacking import PACKED_LIMIT, too_large, unpack
from mapreduce.errors import JobLoadError, MapReduceError
from mapreduce.job import Job
from mapreduce.packages import PackageCache, use_packages
from mapreduce.storage import Storage
from mapreduce.user_code.calls import is_authors, user_frames
from mapreduce.wire import keys
from mapreduce.wire.messages import JobSpec

JobClass: TypeAlias = type[Job] | type[Chain]

_DRIVER = "driver"
_NO_DRIVER = Path(__file__).with_name("no_driver.py")
"""What a job's file gets for `from driver import run` where only the services are installed."""


class CodeLoader:
    """Loads jobs by digest into this process; it holds the modules of one pack at a time.

    Args:
        storage: where packs are read.
        store: the store's root URL.
        folder: a local folder for unpacked code; packages are unpacked beside it.
        proven: a parent of this process has proven the packages.
    """

    def __init__(self, storage: Storage, store: str, folder: Path, *, proven: bool = False) -> None:
        self._storage = storage
        self._store = store
        self._folder = folder
        self._proven = proven
        self._packages = PackageCache(storage, store, folder.parent / "packages")

    def load(self, spec: JobSpec) -> Job:
        """Return a new instance of the job.

        Raises:
            CorruptBlock: the pack does not have the digest.
            JobLoadError: it cannot be imported here.
        """
        root = self.fetch(spec)
        use_packages(self.fetch_packages(spec))
        return instance(root, spec)

    def load_any(self, spec: JobSpec) -> Job | Chain:
        """Return a new instance of the job or chain; raise as `load`."""
        root = self.fetch(spec)
        use_packages(self.fetch_packages(spec))
        return import_job(root, spec.module, spec.name, spec.file)(**spec.parameters)

    def fetch_packages(self, spec: JobSpec) -> Path | None:
        """Return the folder of a job's packages, proven; None for a job without any.

        Imports nothing of it.

        Raises:
            CorruptBlock: an object does not have its digest.
            JobLoadError: the packages do not fit this machine.
        """
        if not spec.packages:
            return None
        return self._packages.fetch(spec.packages, proven=self._proven)

    def fetch(self, spec: JobSpec) -> Path:
        """Return the folder of a job's code; download, verify and unpack it unless it is already
        there.

        Imports nothing of it.

        Raises:
            CorruptBlock: the pack does not have the digest.
            JobLoadError: it is not a pack, or lacks the module.
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
    if spec.module == Reduce.__module__ and spec.name == Reduce.__name__:
        return True  # the job of a step without a class is ours
    if spec.file:
        return (root / spec.file).is_file()
    base = root.joinpath(*spec.module.split("."))
    return base.with_suffix(".py").is_file() or (base / "__init__.py").is_file()


def instance(root: Path, spec: JobSpec) -> Job:
    """Return a new instance of a job whose code lies in `root`.

    Raises:
        JobLoadError: it cannot be imported, or is a chain.
    """
    cls = import_job(root, spec.module, spec.name, spec.file)
    if not issubclass(cls, Job):
        raise JobLoadError(f"{spec.name} is a chain; a task runs one of its steps")
    return cls(**spec.parameters)


def import_job(root: Path, module: str, name: str, file: str = "") -> JobClass:
    """Import the class of a job or chain; modules that it imports are looked up in `root` first.

    Args:
        root: the folder of its code.
        module: the dotted module.
        name: the class; "" if there is only one.
        file: the module's file below `root`, if it does not follow from the module's name.

    Raises:
        JobLoadError: the import failed; with the frames of the author's code if that raised.
    """
    _OwnModules.search(root)
    try:
        with _OwnModules.importing_job():
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
        raise JobLoadError(f"{file or module} has {several}" if jobs else _no_job(loaded, file))
    return candidates[0]


def _no_job(loaded: ModuleType, file: str) -> str:
    """Return that a module has no job; of a package also the files in it, one of which may."""
    path = Path(loaded.__file__ or "")
    if path.name != "__init__.py":
        return f"{file or loaded.__name__} has no subclass of Job"
    name = loaded.__name__.removesuffix(".__init__")
    below = sorted(each.stem for each in path.parent.glob("[!_]*.py"))
    which = f"; name the module that has one: --job {name}.{below[0]}" if below else ""
    return f"the package {name} has no subclass of Job in its __init__.py{which}"


def is_importing() -> bool:
    """Return whether a job's file is being imported in this process."""
    return _OwnModules.importing > 0


@contextmanager
def own_modules_only_within() -> Iterator[None]:
    """Give the caller its modules and module path back after the block, in which jobs are loaded.

    A program that loads a job beside its own code would otherwise lose modules of the same names,
    and folders of its path.
    """
    path, modules = list(sys.path), dict(sys.modules)
    try:
        yield
    finally:
        loaded, _OwnModules.root = _OwnModules.root, None
        _OwnModules.look = None
        _OwnModules.found.clear()
        if _OwnModules in sys.meta_path:
            sys.meta_path.remove(_OwnModules)
        sys.path[:] = path
        gone = [name for name in sys.modules if name not in modules and _is_below(name, loaded)]
        for name in gone:
            del sys.modules[name]
        sys.modules.update(modules)


def _is_below(name: str, folder: Path | None) -> bool:
    """Return whether a loaded module comes from a folder that is gone from the module path."""
    origin = _origin(sys.modules.get(name))
    return bool(folder and origin and origin.is_relative_to(folder) and str(folder) not in sys.path)


def _import_failed(exc: BaseException, name: str, root: Path) -> JobLoadError:
    """Return the author's error message, with the frames of their code."""
    # e.g. a wrong option of a format: our own frames do not help the author
    ours = isinstance(exc, MapReduceError)
    frames = "".join(traceback.format_list(user_frames(exc.__traceback__, without_ours=ours)))
    if isinstance(exc, SystemExit):
        return JobLoadError(
            f"the job {name} called exit({'' if exc.code is None else repr(exc.code)}) when it was "
            f"imported from {root}:\n{frames}move what a script does (argparse, MyJob.run()) below "
            '`if __name__ == "__main__":`; a parameter of a job is an annotated class attribute'
        )
    what = str(exc) if ours else "".join(traceback.format_exception_only(exc)).strip()
    return JobLoadError(
        f"the job {name} cannot be imported from {root}:\n{frames}{what}{_way_out(exc, root)}"
    )


def _way_out(exc: BaseException, root: Path) -> str:
    """Return what to do about an import that found nothing, on a line of its own, or ""."""
    if isinstance(exc, ImportError) and "no known parent package" in str(exc):
        return (
            f"\n{root} is no package: write an empty {root.name}/__init__.py, so that its modules "
            "can import each other by a dot"
        )
    if not isinstance(exc, ModuleNotFoundError) or not exc.name:
        return ""
    missing = exc.name.partition(".")[0]
    if missing == root.name:
        return f"\n{missing} is the folder of the job: write an empty {missing}/__init__.py"
    if is_reserved(missing) or files_of(root, missing):
        return ""
    return (
        f"\nfor a package, write `requirements = [{missing!r}]` in the class, by its name on the "
        "index; a module of yours must lie beside the job's file"
    )


def classes_of(module: ModuleType) -> dict[str, JobClass]:
    """Return the jobs and chains that a module defines itself, by name."""
    return {
        cls.__name__: cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, Job | Chain) and cls.__module__ == module.__name__
    }


def _import_file(path: Path, module: str) -> ModuleType:
    """Import a file under a module name that does not follow from its path."""
    known = sys.modules.get(module)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    spec = importlib.util.spec_from_file_location(module, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    loaded = importlib.util.module_from_spec(from_source(spec))
    # before the execution, as importlib does, so that the module can import itself
    sys.modules[module] = loaded
    try:
        spec.loader.exec_module(loaded)
    except BaseException:
        del sys.modules[module]
        raise
    return loaded


def modules_loaded() -> tuple[str, ...]:
    """Return the modules that the current job has loaded into this process, named as
    `Modules.names`.
    """
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
    """The result of a scan of all loaded modules.

    A process forked afterwards scans only later imports: each name that it reads copies the memory
    page that the name lies in.

    Attributes:
        root: the folder of the job.
        last: the last name in `sys.modules`, which keeps the order of the imports.
        module: the module of that name; it differs after a re-import.
        count: the number of modules.
        found: the job's modules among them.
    """

    root: Path
    last: str
    module: object
    count: int
    found: tuple[str, ...]

    def added(self) -> list[str] | None:
        """Return the names added since, last first, or None if names were removed."""
        added = list(takewhile(self.last.__ne__, reversed(sys.modules)))
        is_whole = (
            len(sys.modules) == self.count + len(added)
            and sys.modules.get(self.last) is self.module
        )
        return added if is_whole else None


class _OwnModules:
    """Finds a job's modules in the folder of its code, before the module path, except reserved
    names.

    The folder is not put at the front of `sys.path`, because the driver and the workers import some
    of their own modules and libraries late, and would find the job's under those names.
    """

    root: Path | None = None
    found: ClassVar[set[str]] = set()
    """Top-level names found in the folder."""
    look: _Look | None = None
    before: ClassVar[dict[Path, frozenset[str]]] = {}
    """The modules loaded before the first import from each folder."""
    importing: ClassVar[int] = 0
    """How many imports of a job's file are under way, one within the other."""

    @classmethod
    @contextmanager
    def importing_job(cls) -> Iterator[None]:
        """Count the block as the import of a job's file."""
        cls.importing += 1
        try:
            yield
        finally:
            cls.importing -= 1

    @classmethod
    def search(cls, root: Path) -> None:
        """Search this folder from now on, and forget the modules of another one."""
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
        # at the end of the path, for look-ups by folder: namespace packages, pkgutil
        sys.path[:] = [*(folder for folder in sys.path if folder != str(root)), str(root)]

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module of the job, or of its author's elsewhere, or None."""
        if name == _DRIVER and path is None and PathFinder.find_spec(name) is None:
            return spec_from_file_location(name, _NO_DRIVER)
        top = name.partition(".")[0]
        if cls.root is None or is_reserved(top):
            return None
        spec = PathFinder.find_spec(name, [str(cls.root)], target) if path is None else None
        if spec is not None:
            cls.found.add(name)
            # a folder without code must not hide a package elsewhere
            return from_source(spec) if spec.loader is not None else None
        # a method may import a submodule of the job late; other late imports may be the driver's
        if not cls.importing and top not in cls.found:
            return None
        spec = PathFinder.find_spec(name, path, target)
        return from_source(spec) if spec is not None and spec.loader is not None else None


def _forget(tops: Collection[str]) -> None:
    """Remove top-level modules and their submodules from this process."""
    for name in list(sys.modules):
        if name.partition(".")[0] in tops:
            del sys.modules[name]


def _forget_others(root: Path) -> None:
    """Remove modules of this folder's names that were loaded from elsewhere: they are another
    job's.
    """
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
    """Return a module's file, or a folder of a package that has no file."""
    origin = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
    return Path(origin) if origin else None
